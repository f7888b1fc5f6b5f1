import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { type HeldBuild, whyTheyStay } from './protect.ts';
import type { RetentionRules } from './retention.api.ts';

/** A build and the sentence that says why it goes, or why it stays although a rule says that it goes. */
export interface Judged {
  build: HeldBuild;
  why: string;
}

export interface Chosen {
  goes: Judged[];
  stays: Judged[];
  /** The number after which to go on; null: all that follows is within the rules. */
  next: number | null;
}

/** What rules come to for a project at a moment. Each limit is far enough back where its rule is not set. */
interface Limits {
  rules: RetentionRules;
  /** What ended before is too old. */
  endedSince: number;
  /** From this number on, builds are among as many of the newest as may be held. */
  countedFrom: number;
  /** From this number on, the newest builds hold together no more than they may; the newest of all may hold more. */
  fittingFrom: number;
  /** No build after this number is beyond a limit. */
  last: number;
}

const DAY_MS = 24 * 3_600_000;

/**
 * Looks up where the rules draw their lines. How many builds are held, and how much, is counted from the newest: what is older and
 * cannot go takes no newer build's place.
 */
export async function limitsOf(
  db: Kysely<Database>,
  { projectId, rules, now }: { projectId: string; rules: RetentionRules; now: number },
): Promise<Limits> {
  const { days, builds, bytes } = rules;
  const endedSince = days === null ? 0 : now - days * DAY_MS;
  const countedFrom = builds === null ? 0 : await newestFrom(db, projectId, builds);
  const fittingFrom = bytes === null ? 0 : await newestWithin(db, projectId, bytes);
  const lastOld = days === null ? 0 : await lastEndedBefore(db, projectId, endedSince);
  const last = Math.max(lastOld, countedFrom - 1, fittingFrom - 1);
  return { rules, endedSince, countedFrom, fittingFrom, last };
}

/**
 * Walks a project's builds from the oldest that holds anything, `limit` of them after the number `after`, and says what becomes of
 * each that is beyond a limit. Builds that were retried late are among them and are within; what comes after the last that is
 * beyond any limit is not looked at.
 */
export async function chooseBuilds(
  db: Kysely<Database>,
  o: { projectId: string; limits: Limits; after: number; limit: number },
): Promise<Chosen> {
  const builds = await buildsUpTo(db, o);
  const stay = await whyTheyStay(db, builds);
  const chosen: Chosen = { goes: [], stays: [], next: null };
  for (const build of builds) {
    const why = whyItGoes(build, o.limits);
    if (why === null) continue;
    const obstacle = stay.get(build.id);
    if (obstacle !== undefined) chosen.stays.push({ build, why: obstacle });
    else chosen.goes.push({ build, why });
  }
  return { ...chosen, next: builds.length < o.limit ? null : (builds.at(-1)?.number ?? null) };
}

/** What builds hold together. */
export function heldBytesOf(judged: readonly Judged[]): number {
  return judged.reduce((sum, { build }) => sum + build.held_bytes, 0);
}

function whyItGoes(
  { number, finished_at }: HeldBuild,
  { rules: { days, builds, bytes }, endedSince, countedFrom, fittingFrom }: Limits,
): string | null {
  if (finished_at !== null && finished_at < endedSince)
    return `It ended more than ${days === 1 ? 'a day' : `${days} days`} ago.`;
  if (number < countedFrom)
    return `Only the newest ${builds === 1 ? 'build is' : `${builds} builds are`} kept.`;
  if (number < fittingFrom)
    return `Only the newest builds are kept that hold no more than ${bytes} bytes together.`;
  return null;
}

/** The number of the oldest of so many newest builds; 0: there are not so many. */
async function newestFrom(db: Kysely<Database>, projectId: string, count: number): Promise<number> {
  const oldest = await holding(db, projectId)
    .select('number')
    .orderBy('number', 'desc')
    .offset(count - 1)
    .limit(1)
    .executeTakeFirst();
  return oldest?.number ?? 0;
}

/** The number of the oldest of the newest builds that hold so much at most; 0: all of them do. */
async function newestWithin(db: Kysely<Database>, projectId: string, bytes: number): Promise<number> {
  const project = await db
    .selectFrom('projects')
    .select('held_bytes')
    .where('id', '=', projectId)
    .executeTakeFirst();
  if (!project || project.held_bytes <= bytes) return 0;
  const sums = holding(db, projectId)
    .select('number')
    .select((eb) =>
      eb.fn
        .sum('held_bytes')
        .over((over) => over.orderBy('number', 'desc'))
        .as('sum'),
    )
    .as('sums');
  const oldest = await db
    .selectFrom(sums)
    .select((eb) => eb.fn.min<number | null>('number').as('number'))
    .where('sum', '<=', bytes)
    .executeTakeFirst();
  return oldest?.number ?? newestFrom(db, projectId, 1);
}

async function lastEndedBefore(db: Kysely<Database>, projectId: string, at: number): Promise<number> {
  const last = await holding(db, projectId)
    .select((eb) => eb.fn.max<number | null>('number').as('number'))
    .where('finished_at', '<', at)
    .executeTakeFirst();
  return last?.number ?? 0;
}

function buildsUpTo(
  db: Kysely<Database>,
  o: { projectId: string; limits: Limits; after: number; limit: number },
): Promise<HeldBuild[]> {
  return holding(db, o.projectId)
    .select(['id', 'project_id', 'number', 'status', 'branch', 'commit_sha', 'finished_at', 'held_bytes'])
    .select(['pinned_at', 'pinned_by', 'pinned_reason'])
    .where('number', '>', o.after)
    .where('number', '<=', o.limits.last)
    .where('finished_at', 'is not', null)
    .orderBy('number')
    .limit(o.limit)
    .execute();
}

/** A project's builds that hold what they made: those in the indexes of them. */
function holding(db: Kysely<Database>, projectId: string) {
  return db
    .selectFrom('builds')
    .where('project_id', '=', projectId)
    .where('removed_at', 'is', null)
    .where('measured_at', 'is not', null);
}
