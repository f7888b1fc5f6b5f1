import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../db/id.ts';
import type { Project } from '../db/schema.ts';
import { sha256Of } from '../digest.ts';
import { MirrorFault } from '../git/fault.ts';
import { keepBlob } from '../retention/removals.ts';
import type { Services } from '../services.ts';
import { type ChainedBundle, chainOf, commitsIn, dueCommits, postpone, replaceTail } from './bundle.store.ts';

/** New commits put into one bundle. */
const MOST_DUE = 1000;
/** Commits asked of the upstream in one round, one by one. */
const MOST_FETCHED = 50;
/** The server that pinned a commit has so long to store it from its own mirror before another one fetches it. */
const OTHERS_AFTER_MS = 120_000;
/** A commit that cannot be had here is looked for again after so long, and a damaged bundle is made again without it. */
const AGAIN_AFTER_MS = 3_600_000;
/** Of two neighbours the older must be so many times as large: so a project's bundles are as few as its size has digits. */
const GROWTH = 2;

const STORED = 'built commits were put into the storage';

type Needed = Pick<Services, 'db' | 'blobs' | 'mirrors' | 'log' | 'now'>;

interface Work {
  services: Needed;
  project: Project;
  /** Where files are written. */
  dir: string;
  signal: AbortSignal;
}

/**
 * Puts a project's pinned commits that the storage does not hold yet into one more bundle, as far as they can be had here; and makes
 * bundles again that are damaged, or of which nothing is pinned any more, with those built upon them. Small ones are united
 * on the way. `waits`: a damaged one is not made again, as another server may have more of its commits. One server at a time does
 * this for a project; two would waste the work of one.
 */
export async function storeCommits(work: Work): Promise<'done' | 'waits'> {
  const { services, project } = work;
  const { db, log, now } = services;
  const chain = await chainOf(db, project.id);
  const due = await dueCommits(db, project.id, { now: now(), limit: MOST_DUE });
  const broken = chain.findIndex(({ commits, damaged_at }) => commits === 0 || damaged_at !== null);
  if (due.length === 0 && broken < 0) return 'done';

  const fresh = await gatherDue(work, due);
  const again = broken < 0 ? NOTHING : await gatherAgain(work, chain.slice(broken));
  if (again === 'wait') return 'waits';
  const { here, lost, isWhole } = again;
  if (lost.length > 0 && isWhole)
    log.error(
      { project: project.name, commits: lost },
      'pinned commits were in a damaged bundle, and neither this mirror nor the upstream has them; other servers look for them',
    );
  const commits = [...new Set([...fresh, ...here])];
  if (commits.length > 0 || isWhole)
    await write(work, { chain, base: isWhole ? broken : chain.length, commits, lost });
  return 'done';
}

/** Those of the new commits that are here, or that the upstream gives. */
async function gatherDue(work: Work, due: readonly { sha: string; since: number }[]): Promise<string[]> {
  const { db, mirrors, now } = work.services;
  const shas = due.map(({ sha }) => sha);
  const here = new Set(await mirrors.held(work.project, shas));
  const old = due.filter(({ sha, since }) => !here.has(sha) && since <= now() - OTHERS_AFTER_MS);
  const asked = old.slice(0, MOST_FETCHED).map(({ sha }) => sha);
  const missing = await bring(work, asked);
  await postpone(db, work.project.id, { shas: missing, at: now() + AGAIN_AFTER_MS });
  return mirrors.held(work.project, shas);
}

/** What bundles that are to be made again hold. `lost` can be had nowhere; `isWhole`: they are made again now. */
interface Again {
  here: string[];
  lost: string[];
  isWhole: boolean;
}

const NOTHING: Again = { here: [], lost: [], isWhole: false };

async function gatherAgain(work: Work, broken: readonly ChainedBundle[]): Promise<Again | 'wait'> {
  const { db, mirrors, now } = work.services;
  const all = await commitsIn(db, work.project.id, { from: broken[0]?.number });
  const lost = await bring(work, all);
  const damaged = broken.flatMap(({ damaged_at: at }) => (at === null ? [] : [at]));
  // Bundles that are only of no use any more may stay until all of what is built upon them is here.
  if (lost.length > 0 && damaged.length === 0) return NOTHING;
  if (lost.length > 0 && Math.min(...damaged) > now() - AGAIN_AFTER_MS) return 'wait';
  return { here: await mirrors.held(work.project, all), lost, isWhole: true };
}

/** Gets commits into the mirror, from bundles and the upstream; returns those that are not there then. */
async function bring({ services, project, signal }: Work, shas: readonly string[]): Promise<string[]> {
  const { mirrors } = services;
  let missing = await missingOf(shas);
  for (const sha of missing.slice(0, MOST_FETCHED)) {
    if (!missing.includes(sha)) continue;
    try {
      if (!(await mirrors.recall(project, [sha]))) await mirrors.fetch(project, { wants: [sha], signal });
    } catch (error) {
      if (!(error instanceof MirrorFault)) throw error;
      break;
    }
    missing = await missingOf(missing);
  }
  return missing;

  async function missingOf(wanted: readonly string[]): Promise<string[]> {
    const here = new Set(await mirrors.held(project, wanted));
    return wanted.filter((sha) => !here.has(sha));
  }
}

interface Tail {
  chain: readonly ChainedBundle[];
  /** As many bundles stay; what comes after them is replaced. */
  base: number;
  commits: string[];
  lost: readonly string[];
}

/** Writes the bundle that follows the first `base`, or that takes the place of so many more as it is too large to follow. */
async function write(work: Work, tail: Tail): Promise<void> {
  const { services, project, dir, signal } = work;
  const { db, mirrors, log, now } = services;
  const file = join(dir, newId());
  let { base, commits } = tail;
  try {
    let made: { sha256: string; size: number } | null = null;
    while (commits.length > 0) {
      const to = tail.chain[base]?.number;
      const without = base === 0 ? [] : await commitsIn(db, project.id, { to });
      const outcome = await mirrors.bundle(project, file, { commits, without, signal });
      if (outcome === 'empty') break;
      const { size } = await stat(file);
      const fewer = followed(tail.chain.slice(0, base), size);
      const from = tail.chain[fewer]?.number;
      const united = fewer < base ? await commitsIn(db, project.id, { from, to }) : [];
      if (fewer === base || (await bring(work, united)).length > 0) {
        made = { sha256: await sha256Of(createReadStream(file)), size };
        break;
      }
      [base, commits] = [fewer, [...commits, ...united]];
    }
    if (made) {
      await keepBlob(db, made.sha256);
      await services.blobs.put(made.sha256, createReadStream(file), { limit: made.size });
    }
    if (await replaceTail(db, project.id, { ...tail, base, commits, made, now: now() }))
      log.info({ project: project.name, commits: commits.length, bytes: made?.size ?? 0 }, STORED);
  } finally {
    await rm(file, { force: true });
  }
}

/** How many of `chain` a bundle of that size can follow: each must be larger than all that comes after it, by far. */
function followed(chain: readonly ChainedBundle[], size: number): number {
  let total = size;
  let count = chain.length;
  for (let last = chain[count - 1]; last && last.size < GROWTH * total; last = chain[count - 1]) {
    total += last.size;
    count -= 1;
  }
  return count;
}
