import type { Project } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { changeBuild, type Wish } from './change-build.ts';

/** Keeps a build with its logs and artifacts whatever the rules of retention say. Refused (409) where they are gone already. */
export async function pinBuild(services: Services, project: Project, wish: Wish): Promise<void> {
  await changeBuild(services, project, wish, async (trx, build, at) => {
    if (build.removed_at !== null) {
      const sentence = `Build ${project.name} #${wish.number} cannot be pinned: its logs and artifacts were removed. Rebuild it, and pin that.`;
      throw new Refusal(409, 'conflict', sentence);
    }
    await trx
      .updateTable('builds')
      .set((eb) => ({
        pinned_at: at,
        pinned_by: wish.by.name,
        pinned_reason: wish.reason,
        revision: eb('revision', '+', 1),
      }))
      .where('id', '=', build.id)
      .execute();
    return { action: 'build.pin' };
  });
}

/** Leaves a build to the rules of retention again. */
export async function unpinBuild(services: Services, project: Project, wish: Wish): Promise<void> {
  await changeBuild(services, project, wish, async (trx, build) => {
    await trx
      .updateTable('builds')
      .set((eb) => ({ pinned_at: null, pinned_by: '', pinned_reason: '', revision: eb('revision', '+', 1) }))
      .where('id', '=', build.id)
      .execute();
    return { action: 'build.unpin' };
  });
}
