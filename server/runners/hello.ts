import { type Hello, type HelloAnswer, hello } from '@reprise/runner/protocol.ts';
import type { Transaction } from 'kysely';
import type { Database, Runner } from '../db/schema.ts';
import { DEPLOY_LABEL } from '../deployments/start.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { ownLabels } from './register.ts';
import { isConnected } from './runner.store.ts';
import { understood } from './understood.ts';

/**
 * A runner's process introduces itself. The same instance coming back is welcome at once; another instance only when the
 * one before has been silent. What that one held stays its own until the lease ends: it may be alive behind a cut wire.
 */
export async function greet(
  services: Services,
  runner: Runner,
  given: { protocol: number },
): Promise<HelloAnswer> {
  const said = understood(hello, given);
  const labels = await services.db.transaction().execute((trx) => introduce(trx, services, runner, said));
  services.queue.dismiss(runner.id);
  services.log.info(
    { runner: runner.name, instance: said.instance, version: said.version },
    'runner connected',
  );
  services.live.changed('runners', 'queue');
  return { runner: runner.name, labels, times: services.config.times };
}

async function introduce(
  trx: Transaction<Database>,
  services: Services,
  { id, name }: Runner,
  said: Hello,
): Promise<string[]> {
  const runner = await trx.selectFrom('runners').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  if (runner.instance !== null && runner.instance !== said.instance && isConnected(services, runner)) {
    services.log.warn(
      { runner: name, instance: said.instance },
      'a second runner with one token was refused',
    );
    throw alreadyConnected(name);
  }
  const labels = labelsOf(runner, said);
  await trx
    .updateTable('runners')
    .set({
      instance: said.instance,
      version: said.version,
      sandbox: said.sandbox,
      toolchain: JSON.stringify(said.toolchain),
      capacity: said.capacity,
      labels: JSON.stringify(labels),
      last_seen_at: services.now(),
    })
    .where('id', '=', id)
    .execute();
  return labels;
}

/** As it says, or as it was added. One that registered itself has the label `deploy` where an administrator gave it. */
function labelsOf(runner: Runner, said: Hello): string[] {
  const held: string[] = JSON.parse(runner.labels);
  if (said.labels === null) return held;
  const labels = runner.registered
    ? [...ownLabels(said.labels), ...held.filter((label) => label === DEPLOY_LABEL)]
    : said.labels;
  return [...new Set(labels)].sort();
}

export function alreadyConnected(runner: string): Refusal {
  return new Refusal(
    409,
    'runner-already-connected',
    `Another process is connected as runner ${runner}. Stop it, or give this one a runner and token of its own.`,
  );
}
