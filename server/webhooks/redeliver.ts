import type { Transaction } from 'kysely';
import { recordAudit } from '../audit/record.ts';
import { type Caller, maySee, roleIn } from '../auth/caller.ts';
import { isAtLeast } from '../auth/role.ts';
import { announceNew } from '../builds/announce.ts';
import { insertBuild } from '../builds/new-build.ts';
import type { Database } from '../db/schema.ts';
import { notFound, Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { deliveriesOf } from './delivery.store.ts';
import type { Trigger } from './event.ts';
import { buildOf } from './receive.ts';

/**
 * Runs what was recorded of a delivery again, as a new build for every project that got it and in which the caller may ask
 * for builds. Needs nothing of GitHub.
 */
export async function redeliver(
  services: Services,
  guid: string,
  { reason, by }: { reason: string; by: Caller },
): Promise<{ project: string; number: number }[]> {
  const now = services.now();
  const builds = await services.db.transaction().execute(async (trx) => {
    const deliveries = await allowed(trx, guid, by);
    const builds = [];
    for (const delivery of deliveries) {
      if (delivery.trigger === null) continue;
      const { project } = delivery;
      const trigger: Trigger = JSON.parse(delivery.trigger);
      const build = { ...buildOf(trigger, delivery.id), trigger_reason: `delivered again by ${by.name}` };
      const number = await insertBuild(trx, delivery.project_id, build, now);
      await remember(trx, delivery.id, [...JSON.parse(delivery.builds), number]);
      const subject = `delivery ${guid}`;
      const detail = { build: number };
      await recordAudit(trx, { at: now, by, action: 'delivery.redeliver', project, subject, reason, detail });
      builds.push({ project, number });
    }
    if (builds.length === 0) {
      const why = deliveries[0]?.ignored ?? '';
      throw new Refusal(409, 'conflict', `The delivery ${guid} asks for no build: ${why}`);
    }
    return builds;
  });
  services.live.changed('deliveries', 'audit');
  announceNew(services, builds);
  return builds;
}

async function allowed(trx: Transaction<Database>, guid: string, by: Caller) {
  const seen = (await deliveriesOf(trx, guid)).filter(({ project }) => maySee(by, project));
  if (seen.length === 0) throw notFound(`The delivery ${guid}`);
  const allowed = seen.filter(({ project }) => isAtLeast(roleIn(by, project), 'developer'));
  if (allowed.length > 0) return allowed;
  const projects = seen.map(({ project }) => project).join(', ');
  throw new Refusal(403, 'forbidden', `${by.name} may not ask for builds of ${projects}.`);
}

async function remember(trx: Transaction<Database>, id: string, numbers: number[]): Promise<void> {
  await trx
    .updateTable('deliveries')
    .set({ builds: JSON.stringify(numbers) })
    .where('id', '=', id)
    .execute();
}
