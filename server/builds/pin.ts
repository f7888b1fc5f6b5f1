import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import type { Project } from '../db/schema.ts';
import { notFound, Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { announceChanged } from './announce.ts';
import { wholeBuild } from './build.store.ts';

/** Keeps a build with its logs and artifacts whatever the rules of retention say. Refused (409) where they are gone already. */
export async function pinBuild(
  services: Services,
  project: Project,
  { number, reason, by }: { number: number; reason: string; by: Actor },
): Promise<void> {
  await setPin(services, project, { number, by, pin: { reason } });
}

/** Leaves a build to the rules of retention again. */
export async function unpinBuild(
  services: Services,
  project: Project,
  { number, by }: { number: number; by: Actor },
): Promise<void> {
  await setPin(services, project, { number, by, pin: null });
}

async function setPin(
  services: Services,
  project: Project,
  { number, by, pin }: { number: number; by: Actor; pin: { reason: string } | null },
): Promise<void> {
  const at = services.now();
  const subject = `${project.name} #${number}`;
  await services.db.transaction().execute(async (trx) => {
    const build = await wholeBuild(trx, project.id, number);
    if (!build) throw notFound(`Build ${subject}`);
    if (pin && build.removed_at !== null) {
      const sentence = `Build ${subject} cannot be pinned: its logs and artifacts were removed. Rebuild it, and pin that.`;
      throw new Refusal(409, 'conflict', sentence);
    }
    await trx
      .updateTable('builds')
      .set((eb) => ({
        pinned_at: pin && at,
        pinned_by: pin ? by.name : '',
        pinned_reason: pin?.reason ?? '',
        revision: eb('revision', '+', 1),
      }))
      .where('id', '=', build.id)
      .execute();
    const entry = { at, by, project: project.name, subject, reason: pin?.reason ?? '' };
    await recordAudit(trx, { ...entry, action: pin ? 'build.pin' : 'build.unpin' });
  });
  announceChanged(services, [{ project: project.name, number }]);
  services.live.changed('audit');
}
