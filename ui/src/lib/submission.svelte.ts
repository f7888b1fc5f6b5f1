import { asProblem, type Problem } from './problem.ts';

/** What becomes of a form that is submitted: busy while it is done, and why it could not be. Twice at once is once. */
export class Submission {
  #busy = $state(false);
  #problem = $state.raw<Problem | null>(null);
  /** Fields, and codes, whose problems are said where they are asked for. */
  readonly #asked = new Set<string>();

  get busy(): boolean {
    return this.#busy;
  }

  get problem(): Problem | null {
    return this.#problem;
  }

  /** What is wrong with one field, said beside it; or all that is wrong, where its code says that it is about this field. */
  of(field: string, code?: string): string | undefined {
    this.#asked.add(field);
    if (code !== undefined) this.#asked.add(code);
    return this.#problem?.code === code ? this.#problem?.message : this.#problem?.of(field);
  }

  /** The problem, unless a field says it. To be read after the fields were. */
  get rest(): Problem | null {
    const problem = this.#problem;
    const isSaid =
      problem && (this.#asked.has(problem.code) || [...this.#asked].some((field) => problem.of(field)));
    return isSaid ? null : problem;
  }

  /** For another try, or another thing. */
  forget(): void {
    this.#problem = null;
  }

  /** Does it. Never rejects: what it throws becomes the problem. */
  async run(act: () => unknown): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    this.#problem = null;
    try {
      await act();
    } catch (error) {
      this.#problem = asProblem(error);
    } finally {
      this.#busy = false;
    }
  }

  /** What a form does when it is submitted. */
  does(act: () => unknown): (event: Event) => void {
    return (event) => {
      event.preventDefault();
      void this.run(act);
    };
  }
}
