import type { Project } from '../db/schema.ts';
import { readPipeline } from '../projects/read-pipeline.ts';
import type { Services } from '../services.ts';
import { keepSchedules } from './schedule.store.ts';

/**
 * Reads the schedules of the file at the head of the default branch, as last fetched. Nothing changes while there is no such
 * head, or its file has errors: what was kept is run then, so that its builds say what is wrong.
 */
export async function readSchedules(
  services: Pick<Services, 'db' | 'mirrors' | 'now'>,
  project: Project,
): Promise<void> {
  const { commit, found, pipeline } = await readPipeline(services, project);
  if (commit === null || (found && pipeline === null)) return;
  const schedules = pipeline?.on.schedules ?? [];
  const now = services.now();
  await services.db
    .transaction()
    .execute((trx) => keepSchedules(trx, project.id, { commit, schedules, now }));
}
