import { createHash, timingSafeEqual } from 'node:crypto';
import { type Register, type RegisterAnswer, register } from '@reprise/runner/protocol.ts';
import type { Transaction } from 'kysely';
import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import { networkOf } from '../auth/limits.ts';
import type { Place } from '../auth/session.ts';
import { recordRefused } from '../auth/sign-in.ts';
import { type Limit, Tries } from '../auth/tries.ts';
import type { Database } from '../db/schema.ts';
import { DEPLOY_LABEL } from '../deployments/start.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { nameTaken, newRunnerRow } from './add.ts';
import { EMBEDDED } from './embedded.ts';
import { understood } from './understood.ts';

/** Wrong secrets from one address within the window of `Tries`. Many runners may share an address, but none of them guesses. */
const MOST_WRONG = 30;

const BY_ITSELF: Actor = { name: 'runner registration', via: '' };

/**
 * Takes in a runner that shows the registration secret and the digest of a token it made for itself. Asked again with the same digest
 * it changes nothing and answers the same, so that a lost answer or a crash never makes two of one. Refuses 401 another secret, 403 where
 * runners do not register themselves and for a token whose runner was removed, 409 a name that is taken, 429 after too many failures.
 */
export async function registerRunner(
  services: Services,
  given: { protocol: number },
  place: Place,
): Promise<RegisterAnswer> {
  const said = understood(register, given);
  await assertSecret(services, said, place);
  const { name, isNew } = await services.db
    .transaction()
    .execute((trx) => takeIn(trx, services, { said, place }));
  if (isNew) {
    services.log.info({ runner: name, address: place.address }, 'a runner registered itself');
    services.live.changed('runners', 'queue', 'audit');
  }
  return { runner: name };
}

/** Of the labels that a runner says it has, those it may give itself: whether it deploys, and so sees an environment's secrets, is for people to say. */
export function ownLabels(labels: readonly string[]): string[] {
  return labels.filter((label) => label !== DEPLOY_LABEL);
}

async function assertSecret(services: Services, { secret, name }: Register, place: Place): Promise<void> {
  const expected = services.config.runnerRegistration;
  if (expected === null)
    throw new Refusal(
      403,
      'forbidden',
      'No runner registers itself here: set REPRISE_RUNNER_REGISTRATION at every server, or add the runner on the runners page.',
    );
  const tries = new Tries(services);
  const limits: Limit[] = [{ of: ['registration', networkOf(place.address)], most: MOST_WRONG }];
  await tries.assertOpen(limits);
  if (timingSafeEqual(sha256(secret), sha256(expected.reveal()))) return;
  await tries.take(limits);
  const why = 'wrong registration secret';
  await recordRefused(services, { action: 'runner.refused', subject: `runner ${name}`, place, why });
  throw new Refusal(
    401,
    'unauthenticated',
    "This is not the server's registration secret: compare REPRISE_RUNNER_REGISTRATION here and there.",
  );
}

async function takeIn(
  trx: Transaction<Database>,
  { now }: Services,
  { said, place }: { said: Register; place: Place },
): Promise<{ name: string; isNew: boolean }> {
  const { name, tokenSha256 } = said;
  const known = await trx
    .selectFrom('runners')
    .select('name')
    .where('token_hash', '=', tokenSha256)
    .executeTakeFirst();
  if (known) return { name: known.name, isNew: false };
  await assertNotRetired(trx, tokenSha256);
  if (name === EMBEDDED) throw nameTaken(name, ANOTHER_NAME);
  const labels = [...new Set(ownLabels(said.labels ?? ['linux']))].sort();
  const at = now();
  const added = await trx
    .insertInto('runners')
    .values({ ...newRunnerRow({ name, labels, at }), token_hash: tokenSha256, registered: 1 })
    .onConflict((oc) => oc.column('name').doNothing())
    .executeTakeFirst();
  if (added.numInsertedOrUpdatedRows === 0n) throw nameTaken(name, ANOTHER_NAME);
  const detail = { labels, address: place.address };
  await recordAudit(trx, { at, by: BY_ITSELF, action: 'runner.register', subject: `runner ${name}`, detail });
  return { name, isNew: true };
}

const ANOTHER_NAME = 'remove that one on the runners page if it is gone, or set another REPRISE_RUNNER_NAME';

async function assertNotRetired(trx: Transaction<Database>, tokenSha256: string): Promise<void> {
  const retired = await trx
    .selectFrom('retired_tokens')
    .select('runner_name')
    .where('token_hash', '=', tokenSha256)
    .executeTakeFirst();
  if (!retired) return;
  throw new Refusal(
    403,
    'forbidden',
    `This runner, ${retired.runner_name}, was removed by an administrator. To let this machine register as a new one, delete the file "token" in the runner's data directory.`,
  );
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
