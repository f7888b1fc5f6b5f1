import type { HostRecordEntry } from '@reprise/runner/protocol.ts';
import { Refusal } from '../http/refusal.ts';
import type { PlacedAttempt } from '../runners/attempt.store.ts';
import type { Services } from '../services.ts';

/** Keeps what is about to be done on a host, or was done; durable before it is answered. A repeat changes nothing. */
export async function recordOnHost(
  { db, live, now }: Services,
  attempt: PlacedAttempt,
  { number, entry }: HostRecordEntry,
): Promise<void> {
  const deployment = await db
    .selectFrom('jobs')
    .innerJoin('deployments', 'deployments.id', 'jobs.deployment_id')
    .select('deployments.id')
    .where('jobs.id', '=', attempt.job_id)
    .executeTakeFirst();
  if (!deployment) throw new Refusal(400, 'bad-request', `Attempt ${attempt.id} is no deployment.`);
  await db
    .insertInto('deployment_records')
    .values({ deployment_id: deployment.id, seq: number, record: JSON.stringify(entry), at: now() })
    .onConflict((oc) => oc.doNothing())
    .execute();
  live.changed(`environments:${attempt.project}`);
}
