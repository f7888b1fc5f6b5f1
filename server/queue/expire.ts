import { announceChanged } from '../builds/announce.ts';
import { settle } from '../builds/settle.ts';
import type { Services } from '../services.ts';
import { READY } from './literals.ts';
import { situation } from './situation.ts';
import { mayBegin, type Situation, whyWaiting } from './why.ts';

/** Those beyond are ended by the next looks. */
const MOST_AT_ONCE = 200;

type Due = Awaited<ReturnType<typeof jobsDue>>[number];

/**
 * Ends jobs that could have begun for longer than is configured (`queueTimeoutMs`; 0: none), with what they waited for. What still has to
 * wait for its concurrency group, or for space, waits anew. A deployment is not ended so: it waits for as long as who asked for it does.
 */
export async function expireJobs(services: Services): Promise<void> {
  const due = await jobsDue(services);
  if (due.length === 0) return;
  const seen = await situation(services);
  const { expired = [], held } = Object.groupBy(due, (job) => (mayBegin(job, seen) ? 'expired' : 'held'));
  if (held) {
    await waitAnew(
      services,
      held.map(({ seq }) => seq),
    );
  }
  if (expired.length === 0) return;
  for (const job of expired) await expire(services, job, seen);
  announceChanged(services, expired);
  services.queue.wake();
}

/** Lets jobs that could begin wait from now on; without `seqs`, all: while no server was there, none of them could be taken. */
export async function waitAnew(
  { db, now }: Pick<Services, 'db' | 'now'>,
  seqs: readonly number[] | null = null,
): Promise<void> {
  await db
    .updateTable('jobs')
    .set({ ready_at: now() })
    .where('ready', '=', READY)
    .$if(seqs !== null, (query) => query.where('seq', 'in', seqs ?? []))
    .execute();
}

async function expire(services: Services, job: Due, seen: Situation): Promise<void> {
  const { db, now, config } = services;
  const waitedFor = whyWaiting(job, seen);
  const why = `no runner took it within ${inWords(config.queueTimeoutMs)}${waitedFor && `: ${waitedFor}`}`;
  await db.transaction().execute(async (trx) => {
    const { numUpdatedRows } = await trx
      .updateTable('jobs')
      .set({ status: 'errored', why, ready: 0, finished_at: now() })
      .where('seq', '=', job.seq)
      .where('ready', '=', 1)
      .where('ready_at', '=', job.ready_at)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows > 0n) await settle(trx, job.build_id, now());
  });
}

async function jobsDue({ db, config, now }: Pick<Services, 'db' | 'config' | 'now'>) {
  if (config.queueTimeoutMs === 0) return [];
  return db
    .selectFrom('jobs')
    .innerJoin('builds', 'builds.id', 'jobs.build_id')
    .innerJoin('projects', 'projects.id', 'builds.project_id')
    .select(['jobs.seq', 'jobs.build_id', 'jobs.ready_at', 'jobs.deployment_id', 'jobs.runs_on'])
    .select(['jobs.priority', 'jobs.concurrency_group', 'jobs.concurrency_limit'])
    .select(['builds.number', 'projects.name as project'])
    .where('jobs.ready', '=', READY)
    .where('jobs.ready_at', '<=', now() - config.queueTimeoutMs)
    .where('jobs.deployment_id', 'is', null)
    .orderBy('jobs.ready_at')
    .limit(MOST_AT_ONCE)
    .execute();
}

/** `24h`, `90m`, as the setting is written. */
function inWords(ms: number): string {
  const [hours, minutes, seconds] = [ms / 3_600_000, ms / 60_000, ms / 1000];
  if (Number.isInteger(hours)) return `${hours}h`;
  return Number.isInteger(minutes) ? `${minutes}m` : `${seconds}s`;
}
