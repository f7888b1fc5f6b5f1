import type { Status } from '@reprise/pipelines/status.ts';
import type { Build } from '@reprise/server/api.ts';
import { STATUS_WORDS, TRIGGER_WORDS } from '../words.ts';

/** Which of a project's builds are shown. Kept in the page's address, so that a link and the back button bring them again. */
export interface Filters {
  branch: string;
  /** Empty: all. */
  status: Status | '';
  trigger: Build['trigger']['kind'] | '';
  /** At least four hexadecimal digits, or empty. */
  commit: string;
  /** Only builds before this number; 0: from the newest on. */
  before: number;
}

/** What the address asks for; what is none of the choices is left out, as if it had not been asked. */
export function filtersOf(search: Pick<URLSearchParams, 'get'>): Filters {
  const given = (name: string) => search.get(name)?.trim() ?? '';
  const status = given('status');
  const trigger = given('trigger');
  const commit = given('commit').toLowerCase();
  const before = Number(given('before'));
  return {
    branch: given('branch'),
    status: Object.hasOwn(STATUS_WORDS, status) ? (status as Status) : '',
    trigger: Object.hasOwn(TRIGGER_WORDS, trigger) ? (trigger as Filters['trigger']) : '',
    commit: isCommit(commit) ? commit : '',
    before: Number.isSafeInteger(before) && before > 0 ? before : 0,
  };
}

/** The address's query for these filters, with its question mark; empty where nothing is filtered. */
export function queryOf({ before, ...narrowing }: Filters): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(narrowing)) if (value !== '') search.set(name, value);
  if (before > 0) search.set('before', String(before));
  return search.size === 0 ? '' : `?${search}`;
}

/** Filters with something changed: what they show then begins at the newest again. */
export function changed(filters: Filters, change: Partial<Filters>): Filters {
  return { ...filters, before: 0, ...change };
}

/** Whether anything narrows the list, its page left aside. */
export function isNarrowed({ branch, status, trigger, commit }: Filters): boolean {
  return [branch, status, trigger, commit].some(Boolean);
}

/** What the server takes as the beginning of an object name. */
export function isCommit(text: string): boolean {
  return /^[0-9a-f]{4,40}$/i.test(text);
}
