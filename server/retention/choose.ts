import type { Kysely } from 'kysely';
import type { Database, Project } from '../db/schema.ts';
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
  /** The number after which to go on; null: what follows is within the rules. */
  next: number | null;
}

/** How much of a project is held at the moment. */
export type Held = Pick<Project, 'held_builds' | 'held_bytes'>;

const DAY_MS = 24 * 3_600_000;

/**
 * Walks a project's builds from the oldest that holds anything, `limit` of them after the number `after`, and says of each
 * what becomes of it. Ends at the first that is within the rules: what it costs follows what there is to remove, not what
 * is kept. `held` is what is there without those chosen before.
 */
export async function chooseBuilds(
  db: Kysely<Database>,
  o: { projectId: string; rules: RetentionRules; held: Held; now: number; after: number; limit: number },
): Promise<Chosen> {
  const { rules, now } = o;
  const builds = await heldBuilds(db, o);
  const stay = await whyTheyStay(db, builds);
  const held = { ...o.held };
  const chosen: Chosen = { goes: [], stays: [], next: null };
  for (const build of builds) {
    const why = whyItGoes(build, { rules, held, now });
    if (why === null) return chosen;
    const obstacle = stay.get(build.id);
    if (obstacle !== undefined) chosen.stays.push({ build, why: obstacle });
    else {
      chosen.goes.push({ build, why });
      held.held_builds -= 1;
      held.held_bytes -= build.held_bytes;
    }
  }
  return { ...chosen, next: builds.length < o.limit ? null : (builds.at(-1)?.number ?? null) };
}

/** What is held once the chosen builds are gone. */
export function without(held: Held, goes: readonly Judged[]): Held {
  const bytes = goes.reduce((sum, { build }) => sum + build.held_bytes, 0);
  return { held_builds: held.held_builds - goes.length, held_bytes: held.held_bytes - bytes };
}

function whyItGoes(
  build: HeldBuild,
  { rules, held, now }: { rules: RetentionRules; held: Held; now: number },
): string | null {
  const { days, builds, bytes } = rules;
  if (days !== null && (build.finished_at ?? now) < now - days * DAY_MS)
    return `It ended more than ${days === 1 ? 'a day' : `${days} days`} ago.`;
  if (builds !== null && held.held_builds > builds)
    return `Only the newest ${builds === 1 ? 'build is' : `${builds} builds are`} kept.`;
  if (bytes !== null && held.held_bytes > bytes) return `The project's builds hold more than ${bytes} bytes.`;
  return null;
}

function heldBuilds(
  db: Kysely<Database>,
  o: { projectId: string; after: number; limit: number },
): Promise<HeldBuild[]> {
  return db
    .selectFrom('builds')
    .select(['id', 'project_id', 'number', 'status', 'branch', 'commit_sha', 'finished_at', 'held_bytes'])
    .select(['pinned_at', 'pinned_by', 'pinned_reason'])
    .where('project_id', '=', o.projectId)
    .where('removed_at', 'is', null)
    .where('measured_at', 'is not', null)
    .where('number', '>', o.after)
    .where('finished_at', 'is not', null)
    .orderBy('number')
    .limit(o.limit)
    .execute();
}
