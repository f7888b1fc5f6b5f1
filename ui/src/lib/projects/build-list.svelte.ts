import type { Build } from '@reprise/server/api.ts';
import { untrack } from 'svelte';
import { type Ask, address, get, query } from '../api.ts';
import { Resource } from '../resource.svelte.ts';
import type { Filters } from './filters.ts';
import { hold } from './held-rows.ts';

/** Rows of a page of the list. */
const LIMIT = 25;

interface Answer {
  items: Build[];
  next: string | null;
  /** Which question it answers. */
  asked: string;
}

/** A project's builds under filters, live. While somebody points at the rows, new ones wait until they are asked for. */
export class BuildList {
  /** What came last, for how it goes. */
  readonly answer: Resource<Answer>;
  /** Whether the pointer or the focus is on the rows. */
  isPointedAt = $state(false);
  #rows = $state.raw<readonly Build[]>([]);
  #waiting = $state(0);
  #asked = '';

  constructor(project: () => string, filters: () => Filters) {
    this.answer = new Resource<Answer>(
      () =>
        address`/api/projects/${project()}/builds` +
        query({ ...filters(), before: filters().before || null, limit: LIMIT }),
      () => [`project:${project()}`],
      ask,
    );
    // Before drawing: what has come and what is shown of it are seen together.
    $effect.pre(() => {
      const { value } = this.answer;
      const isHeld = this.isPointedAt;
      untrack(() => value && this.#take(value, isHeld));
    });
  }

  get rows(): readonly Build[] {
    return this.#rows;
  }

  /** New builds that are not shown yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** `before` of the following page; null: this is the last. */
  get next(): string | null {
    return this.answer.value?.next ?? null;
  }

  showNew(): void {
    if (this.answer.value) this.#take(this.answer.value, false);
  }

  #take({ items, asked }: Answer, isHeld: boolean): void {
    const held = isHeld && asked === this.#asked ? hold(this.#rows, items) : { rows: items, waiting: 0 };
    this.#rows = held.rows;
    this.#waiting = held.waiting;
    this.#asked = asked;
  }
}

async function ask(path: string, o: Ask): Promise<Answer> {
  return { ...(await get<Omit<Answer, 'asked'>>(path, o)), asked: path };
}
