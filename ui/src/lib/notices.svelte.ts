import { asProblem } from './problem.ts';

/** A sentence that appears for a moment: what was done, or what went wrong. */
export interface Notice {
  id: number;
  kind: 'done' | 'problem';
  sentence: string;
}

/** Long enough to be read (WCAG 2.2.1 leaves what is also said elsewhere free); problems stay until they are closed. */
const DONE_MS = 6000;

class Notices {
  #list = $state.raw<readonly Notice[]>([]);
  #last = 0;

  get list(): readonly Notice[] {
    return this.#list;
  }

  done(sentence: string): void {
    const id = this.#add('done', sentence);
    setTimeout(() => this.close(id), DONE_MS);
  }

  /** Says what went wrong; the same sentence is not said twice. */
  problem(error: unknown): void {
    const sentence = asProblem(error).message;
    if (!this.#list.some((notice) => notice.sentence === sentence)) this.#add('problem', sentence);
  }

  close(id: number): void {
    this.#list = this.#list.filter((notice) => notice.id !== id);
  }

  #add(kind: Notice['kind'], sentence: string): number {
    this.#last += 1;
    this.#list = [...this.#list, { id: this.#last, kind, sentence }].slice(-4);
    return this.#last;
  }
}

export const notices = new Notices();
