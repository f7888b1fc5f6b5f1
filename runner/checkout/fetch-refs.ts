import { Backoff } from '../backoff.ts';
import { paths } from '../wire.ts';
import { type GitResult, type GitWorld, git } from './git.ts';

/** The commit could not be brought here; `message` is for the job's log and its record. */
export class FetchFailed extends Error {}

/** The mirror itself is broken, or was left locked by a git that was killed. */
export class Damaged extends Error {}

/** With waits from 0.5 s to 20 s in between, about a minute and a half. */
const FETCH_TRIES = 9;

export interface FetchOptions {
  world: GitWorld;
  mirror: string;
  server: string;
  project: string;
  gitToken: string;
  /** Divides the waits; 1 but in tests. */
  timeScale: number;
  signal: AbortSignal;
}

/**
 * `git fetch` of refspecs into a mirror. A server that is being restarted, or a proxy in between, is asked again. Throws
 * `FetchFailed`, `Damaged`, or the signal's reason.
 */
export async function fetchRefs(o: FetchOptions, refspecs: readonly string[]): Promise<void> {
  const backoff = new Backoff(500 / o.timeScale, 20_000 / o.timeScale);
  for (let tries = 1; ; tries += 1) {
    const result = await fetchOnce(o, refspecs);
    if (result.code === 0) return;
    if (isDamage(result)) throw new Damaged(result.err);
    if (tries >= triesFor(result))
      throw new FetchFailed(`git could not fetch the commit from the server: ${lastWords(result)}`);
    await backoff.wait(o.signal);
  }
}

function fetchOnce(o: FetchOptions, refspecs: readonly string[]): Promise<GitResult> {
  const options = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance', '--stdin'];
  const password = Buffer.from(`reprise:${o.gitToken}`).toString('base64');
  return git(o.world, ['fetch', ...options, '--', `${o.server}${paths.git(o.project)}`], {
    directory: o.mirror,
    config: { [`http.${o.server}/.extraHeader`]: `Authorization: Basic ${password}` },
    input: refspecs.map((refspec) => `${refspec}\n`).join(''),
    signal: o.signal,
  });
}

/** What git says about a damaged repository, and never about a network or a server. */
const DAMAGE =
  /bad object|corrupt|is far too short|cannot be mapped|does not match index|inflate|garbage at end|unable to unpack|loose object|packfile .* (?:cannot|not)|did not send all necessary objects|missing (?:blob|tree|commit)|could not (?:parse|read) [0-9a-f]{7}|\.lock': File exists|not a git repository|bad config|Invalid (?:HEAD|object)|unresolved deltas/i;

function isDamage({ err }: GitResult): boolean {
  return DAMAGE.test(err) && !/remote error|The requested URL returned error/i.test(err);
}

function triesFor({ err }: GitResult): number {
  if (/not our ref|returned error: (401|403|404)|Authentication failed/.test(err)) return 1;
  // Probably true, but git also takes a proxy's page for an empty repository.
  return /couldn't find remote ref/.test(err) ? 3 : FETCH_TRIES;
}

function lastWords(result: GitResult): string {
  const lines = result.err.split('\n').filter((line) => line.trim() !== '');
  return lines.slice(-3).join(' ') || `exit code ${result.code}`;
}
