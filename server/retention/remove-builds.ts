import type { Transaction } from 'kysely';
import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import type { Database, Project } from '../db/schema.ts';
import type { Services } from '../services.ts';
import { heldBytesOf, type Judged } from './choose.ts';
import { whyTheyStay } from './protect.ts';
import { removeLater } from './removals.ts';
import type { RetentionRules } from './retention.api.ts';

/**
 * Takes the logs and artifacts from builds, or the builds altogether, as the rules say, with one entry in the audit. Whatever
 * has come to be protected or runs again meanwhile stays. Only records change here; the bytes go when `removals.ts` finds
 * that nothing leads to them. Returns those that were removed.
 */
export async function removeBuilds(
  { db, now, live }: Pick<Services, 'db' | 'now' | 'live'>,
  project: Pick<Project, 'id' | 'name'>,
  { goes, rules, by }: { goes: readonly Judged[]; rules: RetentionRules; by: Actor },
): Promise<Judged[]> {
  const at = now();
  const removed = await db.transaction().execute(async (trx) => {
    const still = await stillGoing(trx, goes);
    if (still.length === 0) return [];
    await takeContents(trx, still, { project, at });
    if (rules.records === 'go') await deleteRecords(trx, project.id, still, at);
    else
      for (const { build, why } of still)
        await trx
          .updateTable('builds')
          .set((eb) => ({
            removed_at: at,
            removed_why: why,
            held_bytes: 0,
            revision: eb('revision', '+', 1),
          }))
          .where('id', '=', build.id)
          .execute();
    await record(trx, { project, by, at, still, rules });
    return still;
  });
  if (removed.length === 0) return [];
  live.changed('audit', `project:${project.name}`);
  live.changed(...removed.map(({ build }) => `build:${project.name}/${build.number}` as const));
  return removed;
}

async function stillGoing(trx: Transaction<Database>, goes: readonly Judged[]): Promise<Judged[]> {
  const fresh = await trx
    .selectFrom('builds')
    .select(['id', 'project_id', 'number', 'status', 'branch', 'commit_sha', 'finished_at', 'held_bytes'])
    .select(['pinned_at', 'pinned_by', 'pinned_reason'])
    .where('id', 'in', goes.length === 0 ? [''] : goes.map(({ build }) => build.id))
    .where('finished_at', 'is not', null)
    .where('measured_at', 'is not', null)
    .where('removed_at', 'is', null)
    .execute();
  const stay = await whyTheyStay(trx, fresh);
  const byId = new Map(fresh.map((build) => [build.id, build]));
  return goes.flatMap(({ build: { id }, why }) => {
    const build = byId.get(id);
    return build && !stay.has(id) ? [{ build, why }] : [];
  });
}

async function takeContents(
  trx: Transaction<Database>,
  still: readonly Judged[],
  { project, at }: { project: Pick<Project, 'id'>; at: number },
): Promise<void> {
  const ids = still.map(({ build }) => build.id);
  const artifacts = await trx.deleteFrom('artifacts').where('build_id', 'in', ids).returningAll().execute();
  const digests = artifacts.flatMap(({ sha256, manifest_sha256 }) => [sha256, manifest_sha256]);
  await removeLater(trx, 'blobs', digests, at);
  const attempts = await trx
    .updateTable('attempts')
    .set({ log_size: 0, log_sha256: null })
    .where('job_id', 'in', (eb) => eb.selectFrom('jobs').select('id').where('build_id', 'in', ids))
    .returning('id')
    .execute();
  const logs = attempts.map(({ id }) => id);
  await removeLater(trx, 'logs', logs, at);
  const bytes = heldBytesOf(still);
  await trx
    .updateTable('projects')
    .set((eb) => ({
      held_builds: eb('held_builds', '-', still.length),
      held_bytes: eb('held_bytes', '-', bytes),
    }))
    .where('id', '=', project.id)
    .execute();
}

async function deleteRecords(
  trx: Transaction<Database>,
  projectId: string,
  still: readonly Judged[],
  at: number,
): Promise<void> {
  const ids = still.map(({ build }) => build.id);
  await trx.deleteFrom('builds').where('id', 'in', ids).execute();
  const pins = still.map(({ build }) => `${projectId}/${build.commit_sha}`);
  await removeLater(trx, 'pins', pins, at);
}

async function record(
  trx: Transaction<Database>,
  o: {
    project: Pick<Project, 'name'>;
    by: Actor;
    at: number;
    still: readonly Judged[];
    rules: RetentionRules;
  },
): Promise<void> {
  const numbers = o.still.map(({ build }) => build.number);
  const [first, last] = [numbers.at(0), numbers.at(-1)];
  await recordAudit(trx, {
    at: o.at,
    by: o.by,
    action: 'retention.remove',
    project: o.project.name,
    subject: first === last ? `${o.project.name} #${first}` : `${o.project.name} #${first} to #${last}`,
    detail: {
      builds: numbers,
      bytes: heldBytesOf(o.still),
      rules: o.rules,
    },
  });
}
