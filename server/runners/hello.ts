import { type Hello, type HelloAnswer, hello, PROTOCOL_VERSION } from '@reprise/runner/protocol.ts';
import type { Transaction } from 'kysely';
import type { Database, Runner } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { isConnected } from './runner.store.ts';

/**
 * A runner's process introduces itself. The same instance coming back is welcome at once; another instance only when the
 * one before has been silent. What that one held stays its own until the lease ends: it may be alive behind a cut wire.
 */
export async function greet(
  services: Services,
  runner: Runner,
  given: { protocol: number },
): Promise<HelloAnswer> {
  refuseOtherProtocol(given.protocol);
  const said = parse(given);
  const labels = await services.db.transaction().execute((trx) => introduce(trx, services, runner, said));
  services.queue.dismiss(runner.id);
  services.log.info(
    { runner: runner.name, instance: said.instance, version: said.version },
    'runner connected',
  );
  services.live.changed('runners', 'queue');
  return { runner: runner.name, labels, times: services.config.times };
}

function refuseOtherProtocol(protocol: number): void {
  if (protocol === PROTOCOL_VERSION) return;
  const older = protocol < PROTOCOL_VERSION ? 'runner' : 'server';
  throw new Refusal(
    426,
    'protocol-mismatch',
    `This runner speaks protocol ${protocol}, this server ${PROTOCOL_VERSION}. Update the ${older}.`,
    { protocol: PROTOCOL_VERSION },
  );
}

function parse(given: object): Hello {
  const { data, error } = hello.safeParse(given);
  if (data) return data;
  const errors = error.issues.map(({ path, message }) => ({ field: path.join('.') || 'body', message }));
  throw new Refusal(400, 'bad-request', `${errors[0]?.field}: ${errors[0]?.message}.`, { errors });
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
  const labels = said.labels ? [...new Set(said.labels)].sort() : JSON.parse(runner.labels);
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

export function alreadyConnected(runner: string): Refusal {
  return new Refusal(
    409,
    'runner-already-connected',
    `Another process is connected as runner ${runner}. Stop it, or give this one a runner and token of its own.`,
  );
}
