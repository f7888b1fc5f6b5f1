import { type Kysely, sql, type Transaction } from 'kysely';
import type { Build, Database } from '../db/schema.ts';

/** Builds measured in one transaction. */
const AT_ONCE = 100;
/** Nobody waits longer for it. */
const PATIENCE_MS = 1000;

/** As the index of them says it, so that it is used. */
const toMeasure = sql<boolean>`removed_at is null and finished_at is not null
  and (measured_at is null or measured_at < finished_at)`;

/**
 * Adds up what builds hold that have ended since they were last looked at, and keeps the sums of their projects. Returns
 * how many there were: call it again until there are none.
 */
export async function measureEnded(db: Kysely<Database>): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const builds = await trx
      .selectFrom('builds')
      .select(['id', 'project_id', 'finished_at', 'held_bytes', 'measured_at'])
      .where(toMeasure)
      .orderBy('finished_at')
      .limit(AT_ONCE)
      .execute();
    if (builds.length === 0) return 0;
    const bytes = await bytesOf(
      trx,
      builds.map(({ id }) => id),
    );
    for (const build of builds) await note(trx, build, bytes.get(build.id) ?? 0);
    return builds.length;
  });
}

/** For who waits for an answer: nearly always all there is; after an upgrade of a large installation the sweep does the rest. */
export async function measureSoon(db: Kysely<Database>): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  while ((await measureEnded(db)) > 0 && performance.now() < until);
}

async function bytesOf(trx: Transaction<Database>, ids: readonly string[]): Promise<Map<string, number>> {
  const artifacts = await trx
    .selectFrom('artifacts')
    .select(['build_id', (eb) => eb.fn.sum<number | string>('size').as('bytes')])
    .where('build_id', 'in', ids)
    .groupBy('build_id')
    .execute();
  const logs = await trx
    .selectFrom('attempts')
    .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
    .select(['jobs.build_id', (eb) => eb.fn.sum<number | string>('attempts.log_size').as('bytes')])
    .where('jobs.build_id', 'in', ids)
    .where('jobs.deployment_id', 'is', null)
    .groupBy('jobs.build_id')
    .execute();
  const sums = new Map<string, number>();
  for (const { build_id, bytes } of [...artifacts, ...logs])
    sums.set(build_id, (sums.get(build_id) ?? 0) + Number(bytes));
  return sums;
}

async function note(
  trx: Transaction<Database>,
  build: Pick<Build, 'id' | 'project_id' | 'finished_at' | 'held_bytes' | 'measured_at'>,
  bytes: number,
): Promise<void> {
  const { numUpdatedRows } = await trx
    .updateTable('builds')
    .set({ held_bytes: bytes, measured_at: build.finished_at })
    .where('id', '=', build.id)
    .where('removed_at', 'is', null)
    .where('measured_at', build.measured_at === null ? 'is' : '=', build.measured_at)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return;
  await trx
    .updateTable('projects')
    .set((eb) => ({
      held_builds: eb('held_builds', '+', build.measured_at === null ? 1 : 0),
      held_bytes: eb('held_bytes', '+', bytes - build.held_bytes),
    }))
    .where('id', '=', build.project_id)
    .execute();
}
