import { type Git, read, unreadable } from './git.ts';
import { resolve } from './resolve.ts';

export interface ListedRef {
  name: string;
  kind: 'branch' | 'tag';
  ref: string;
  /** The commit, also for an annotated tag. */
  sha: string;
  /** Seconds since 1970: of the commit, or of the tag where it is annotated. */
  time: number;
}

export interface ListedCommit {
  sha: string;
  subject: string;
  author: string;
  /** Committer time, seconds since 1970. */
  time: number;
}

/** Commits looked through for one page of a search; a longer history is searched page by page. */
const SCANNED = 20_000;

/** Branches and tags whose names contain `query` (without case), the newest first. */
export async function listRefs(git: Git, o: { query: string; limit: number }): Promise<ListedRef[]> {
  const format = '--format=%(refname)%00%(objectname)%00%(*objectname)%00%(creatordate:unix)';
  const output = await read(git, ['for-each-ref', '--sort=-creatordate', format, 'refs/heads', 'refs/tags']);
  const query = o.query.toLowerCase();
  const found: ListedRef[] = [];
  for (const line of output.toString().split('\n')) {
    if (found.length >= o.limit) break;
    const [ref = '', object = '', peeled = '', time = ''] = line.split('\0');
    const [, folder, name = ''] = /^refs\/(heads|tags)\/(.*)$/.exec(ref) ?? [];
    if (!folder || !name.toLowerCase().includes(query)) continue;
    const kind = folder === 'heads' ? 'branch' : 'tag';
    found.push({ name, kind, ref, sha: peeled || object, time: Number(time) || 0 });
  }
  return found;
}

/**
 * Commits that lead to `ref`, or where that is null to any branch or tag, newest first; with `query` those whose subject or
 * author contains it (without case) or whose object name begins with it, a commit that no branch leads to any more included.
 * null: `ref` names nothing. `before` is the `next` of the page before: it holds where the first page began, so that new
 * commits shift nothing.
 */
export async function listCommits(
  git: Git,
  o: { ref: string | null; query: string; before: string | null; limit: number },
): Promise<{ items: ListedCommit[]; next: string | null } | null> {
  const { start, skip } = readCursor(o.before) ?? { start: await startOf(git, o.ref), skip: 0 };
  if (start === null) return null;
  const query = o.query.trim().toLowerCase();
  const most = query === '' ? o.limit + 1 : SCANNED;
  const args = ['log', `--skip=${skip}`, `--max-count=${most}`, LOG_FORMAT, ...walk(start)];
  const result = await git(args);
  if (result.code !== 0) return /bad (object|revision)/.test(result.stderr) ? null : fail(result);
  const scanned = result.stdout.toString().split('\n').filter(Boolean).map(parseLine);
  if (query === '') {
    const items = scanned.slice(0, o.limit);
    return { items, next: scanned.length > o.limit ? `${start}.${skip + o.limit}` : null };
  }
  const items = skip === 0 ? await namedOnly(git, query, scanned) : [];
  let passed = 0;
  for (const commit of scanned) {
    if (items.length >= o.limit) break;
    passed += 1;
    if (matches(commit, query)) items.push(commit);
  }
  const more = passed < scanned.length || scanned.length === most;
  return { items, next: more ? `${start}.${skip + passed}` : null };
}

/** Where a list begins: a commit, or every branch and tag as of a time (`all-` and seconds since 1970). */
async function startOf(git: Git, ref: string | null): Promise<string | null> {
  if (ref !== null) return (await resolve(git, ref))?.sha ?? null;
  const newest = await read(git, ['log', '--branches', '--tags', '--max-count=1', '--format=%ct']);
  const time = newest.toString().trim();
  return time === '' ? null : `all-${time}`;
}

function readCursor(before: string | null): { start: string; skip: number } | null {
  const [, start, skip] = /^([0-9a-f]{40}|all-\d{1,12})\.(\d{1,9})$/.exec(before ?? '') ?? [];
  return start === undefined ? null : { start, skip: Number(skip) };
}

function walk(start: string): string[] {
  const [, until] = /^all-(\d+)$/.exec(start) ?? [];
  return until === undefined ? [start, '--'] : ['--branches', '--tags', `--until=${until}`, '--'];
}

/** One commit a line, for `parseLine`. */
export const LOG_FORMAT = '--format=%H%x00%ct%x00%an%x00%s';

/** More does not fit a list. */
const LONGEST_SUBJECT = 500;

export function parseLine(line: string): ListedCommit {
  const [sha = '', time = '', author = '', ...subject] = line.split('\0');
  return { sha, subject: subject.join('\0').slice(0, LONGEST_SUBJECT), author, time: Number(time) || 0 };
}

function matches(commit: ListedCommit, query: string): boolean {
  return (
    commit.sha.startsWith(query) ||
    commit.subject.toLowerCase().includes(query) ||
    commit.author.toLowerCase().includes(query)
  );
}

/** The commit that `query` names by object name, where the scanned history does not have it. */
async function namedOnly(git: Git, query: string, scanned: ListedCommit[]): Promise<ListedCommit[]> {
  if (!/^[0-9a-f]{4,40}$/.test(query) || scanned.some(({ sha }) => sha.startsWith(query))) return [];
  const named = await resolve(git, query);
  if (named?.ref !== '') return [];
  const output = await read(git, ['log', '--max-count=1', LOG_FORMAT, named.sha, '--']);
  return output.toString().split('\n').filter(Boolean).map(parseLine);
}

function fail(result: { code: number; stdout: Buffer; stderr: string }): never {
  throw unreadable(['log'], result);
}

/** Paths that differ between two commits; a rename is both its paths. null: `before` is not here, or too much differs. */
export async function changedPaths(git: Git, before: string, after: string): Promise<string[] | null> {
  const result = await git(['diff-tree', '-r', '-z', '--name-only', '--no-renames', before, after, '--']);
  if (result.code !== 0)
    return /bad object|unable to read tree|ambiguous argument/.test(result.stderr) ? null : fail(result);
  return result.stdout.toString().split('\0').filter(Boolean);
}
