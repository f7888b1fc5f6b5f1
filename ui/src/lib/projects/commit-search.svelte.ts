import type { ListedCommits, ListedRefs } from '@reprise/server/projects/project.api.ts';
import { type Ask, address, get, query } from '../api.ts';
import { Resource } from '../resource.svelte.ts';
import { type Choice, type ChoiceGroup, choicesFor } from './choices.ts';

/** Somebody who types is not asked for after each letter. */
const DEBOUNCE_MS = 180;
const LIMIT = 40;

type Asked<Answer> = Answer & { asked: string };

/** Looks for what can be built while somebody types: branches, tags, and the commits of one history. */
export class CommitSearch {
  /** As typed. */
  query = $state('');
  /** The branch or tag whose commits are looked through; null: the default branch. */
  history = $state.raw<{ name: string; ref: string } | null>(null);
  readonly commits: Resource<Asked<ListedCommits>>;
  readonly refs: Resource<Asked<ListedRefs>>;
  readonly #defaultBranch: () => string;
  #settled = $state('');
  #chosen = $state<string | null>(null);
  /** What was found last. While something new is looked for it stays, and cannot be chosen from. */
  #groups = $state.raw<readonly ChoiceGroup[]>([]);
  readonly choices = $derived(this.#groups.flatMap(({ choices }) => choices));
  /** The one that would be built: what was last gone to, or the first. */
  readonly chosen = $derived(this.choices.find(({ key }) => key === this.#chosen) ?? this.choices[0]);
  /** Whether what is shown answers what was typed. */
  readonly isSettled = $derived.by(
    () =>
      this.#settled === this.query.trim() &&
      isOver(this.commits, this.#commitsAt) &&
      isOver(this.refs, this.#refsAt),
  );
  /** Why this is not the newest, where the upstream could not be asked. */
  readonly stale = $derived.by(() => this.commits.value?.stale ?? this.refs.value?.stale ?? null);
  readonly #project: () => string;

  constructor(project: () => string, defaultBranch: () => string) {
    this.#project = project;
    this.#defaultBranch = defaultBranch;
    this.commits = new Resource<Asked<ListedCommits>>(() => this.#commitsAt, undefined, ask);
    this.refs = new Resource<Asked<ListedRefs>>(() => this.#refsAt, undefined, ask);
    $effect(() => {
      const typed = this.query.trim();
      const timer = setTimeout(() => {
        this.#settled = typed;
        this.#chosen = null;
      }, DEBOUNCE_MS);
      return () => clearTimeout(timer);
    });
    // Before drawing: that it is settled and what was found are seen together.
    $effect.pre(() => {
      if (this.isSettled) this.#groups = this.#found();
    });
  }

  get groups(): readonly ChoiceGroup[] {
    return this.#groups;
  }

  choose(choice: Choice): void {
    this.#chosen = choice.key;
  }

  /** Goes up or down by so many, not past the ends. */
  step(by: number): void {
    if (!this.isSettled) return;
    const here = this.chosen ? this.choices.indexOf(this.chosen) : -1;
    const next = this.choices[Math.min(Math.max(here + by, 0), this.choices.length - 1)];
    if (next) this.choose(next);
  }

  /** Looks through the commits of another branch or tag. */
  within(history: { name: string; ref: string } | null): void {
    this.history = history;
    this.query = '';
    this.#settled = '';
    this.#chosen = null;
  }

  /** The following page of commits, below those that are shown. */
  async more(): Promise<void> {
    const shown = this.commits.value;
    if (!shown?.next) return;
    const page = await get<ListedCommits>(`${shown.asked}&before=${encodeURIComponent(shown.next)}`);
    if (this.commits.value === shown)
      this.commits.value = { ...page, items: [...shown.items, ...page.items], asked: shown.asked };
  }

  get #commitsAt(): string {
    const given = { ref: this.history?.ref, query: this.#settled, limit: LIMIT };
    return address`/api/projects/${this.#project()}/commits` + query(given);
  }

  get #refsAt(): string {
    return address`/api/projects/${this.#project()}/refs` + query({ query: this.#settled, limit: 200 });
  }

  #found(): ChoiceGroup[] {
    return choicesFor({
      query: this.#settled,
      history: this.history?.name ?? this.#defaultBranch(),
      refs: itemsOf(this.refs, this.#refsAt),
      commits: itemsOf(this.commits, this.#commitsAt),
    });
  }
}

/** Whether the question was answered, or refused. */
function isOver(resource: Resource<Asked<unknown>>, wanted: string): boolean {
  return resource.value?.asked === wanted || resource.problem !== null;
}

/** Nothing where it was refused: what an earlier question brought is no answer to this one. */
function itemsOf<Item>(resource: Resource<Asked<{ items: Item[] }>>, wanted: string): Item[] {
  return resource.value?.asked === wanted ? resource.value.items : [];
}

async function ask<Answer>(path: string, o: Ask): Promise<Asked<Answer>> {
  return { ...(await get<Answer>(path, o)), asked: path };
}
