import type { Renew, RenewAnswer } from '@reprise/runner/protocol.ts';
import type { Kysely, Transaction } from 'kysely';
import type { Database, Runner } from '../db/schema.ts';
import { renewLeases } from '../queue/lease.ts';
import { RUNNING } from '../queue/literals.ts';
import type { Services } from '../services.ts';
import { alreadyConnected } from './hello.ts';
import { loseAttempt } from './lose.ts';

/**
 * Renews what this instance holds, ends what it should hold but does not know of, and then stands until there is something
 * to say or `renewMs` have passed. What was said once is not a reason to answer at once again.
 */
export async function renewRunner(
  services: Services,
  runner: Runner,
  o: { ask: Renew; signal: AbortSignal },
): Promise<RenewAnswer> {
  const { db, queue, config } = services;
  const { ask, signal } = o;
  queue.presence.refuseWhenClosed();
  const lost = await db.transaction().execute((trx) => renewHeld(trx, services, runner, ask));
  for (const id of lost)
    await loseAttempt(services, id, { why: 'its runner came back and knew nothing of it' });

  const told = queue.presence.told(runner.id, new Set(ask.holding.map(({ attempt }) => attempt)));
  const until = performance.now() + config.times.renewMs;
  for (;;) {
    const notices = queue.presence.notices(runner.id);
    const answer = await newsFor(db, runner.id, ask);
    const news = [...answer.cancel, ...answer.revoked].filter((attempt) => !told.has(attempt));
    const waitMs = until - performance.now();
    if (news.length > 0 || ask.immediate || waitMs <= 0 || signal.aborted || queue.presence.closed) {
      if (!signal.aborted) for (const attempt of news) told.add(attempt);
      return answer;
    }
    await queue.presence.stand(runner.id, { waitMs, signal, notices });
  }
}

/** Returns the attempts that the instance lost: given to it, and neither held nor on their way to it. */
async function renewHeld(
  trx: Transaction<Database>,
  { now, config }: Services,
  { id, name }: Runner,
  ask: Renew,
): Promise<string[]> {
  const { numUpdatedRows } = await trx
    .updateTable('runners')
    .set({ last_seen_at: now() })
    .where('id', '=', id)
    .where('instance', '=', ask.instance)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw alreadyConnected(name);
  const running = await trx
    .selectFrom('attempts')
    .select(['id', 'fence', 'claim_id'])
    .where('runner_id', '=', id)
    .where('instance', '=', ask.instance)
    .where('status', '=', RUNNING)
    .execute();
  const fences = new Map(ask.holding.map(({ attempt, fence }) => [attempt, fence]));
  const isKnown = (attempt: (typeof running)[number]) =>
    fences.get(attempt.id) === attempt.fence || ask.claiming.includes(attempt.claim_id);
  const held = running.filter(isKnown).map((attempt) => attempt.id);
  await renewLeases(trx, held, now() + config.times.reassignMs);
  return running.filter((attempt) => !isKnown(attempt)).map((attempt) => attempt.id);
}

async function newsFor(db: Kysely<Database>, runnerId: string, ask: Renew): Promise<RenewAnswer> {
  const rows = await db
    .selectFrom('attempts')
    .select(['id', 'fence', 'claim_id', 'cancel_requested'])
    .where('runner_id', '=', runnerId)
    .where('status', '=', RUNNING)
    .execute();
  const running = new Map(rows.map((row) => [row.id, row]));
  const answer: RenewAnswer = { cancel: [], revoked: [] };
  for (const { attempt, fence } of ask.holding) {
    const row = running.get(attempt);
    if (row?.fence !== fence) answer.revoked.push(attempt);
    else if (row.cancel_requested) answer.cancel.push(attempt);
  }
  // What was claimed while this request stood.
  for (const { id, claim_id, cancel_requested } of rows) {
    if (cancel_requested && ask.claiming.includes(claim_id) && !answer.cancel.includes(id))
      answer.cancel.push(id);
  }
  return answer;
}
