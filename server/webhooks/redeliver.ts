import type { Kysely, Transaction } from 'kysely';
import { insertBuild } from '../builds/new-build.ts';
import type { Database } from '../db/schema.ts';
import { notFound, Refusal } from '../http/refusal.ts';
import { deliveriesOf } from './delivery.store.ts';
import type { Trigger } from './event.ts';
import { buildOf } from './receive.ts';

/** Runs what was recorded of a delivery again, as a new build for every project that got it. Needs nothing of GitHub. */
export async function redeliver(
  db: Kysely<Database>,
  guid: string,
  { by, now }: { by: string; now: number },
): Promise<{ project: string; number: number }[]> {
  return db.transaction().execute(async (trx) => {
    const deliveries = await deliveriesOf(trx, guid);
    if (deliveries.length === 0) throw notFound(`The delivery ${guid}`);
    const builds = [];
    for (const delivery of deliveries) {
      if (delivery.trigger === null) continue;
      const trigger: Trigger = JSON.parse(delivery.trigger);
      const build = { ...buildOf(trigger, delivery.id), trigger_reason: `delivered again by ${by}` };
      const number = await insertBuild(trx, delivery.project_id, build, now);
      await remember(trx, delivery.id, [...JSON.parse(delivery.builds), number]);
      builds.push({ project: delivery.project, number });
    }
    if (builds.length === 0) {
      const why = deliveries[0]?.ignored ?? '';
      throw new Refusal(409, 'conflict', `The delivery ${guid} asks for no build: ${why}`);
    }
    return builds;
  });
}

async function remember(trx: Transaction<Database>, id: string, numbers: number[]): Promise<void> {
  await trx
    .updateTable('deliveries')
    .set({ builds: JSON.stringify(numbers) })
    .where('id', '=', id)
    .execute();
}
