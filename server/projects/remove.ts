import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import type { Project } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import { removeLater } from '../retention/removals.ts';
import type { Services } from '../services.ts';
import { attemptsOfProject, countUnended, digestsOfProject } from './project.store.ts';

/**
 * Removes a project with its builds, logs and mirror. Refused (409) while one of its builds has not ended. Artifacts'
 * bytes go a little later, unless another project has the same.
 */
export async function removeProject(
  { db, mirrors, logs, live, log, now }: Services,
  project: Project,
  by: Actor,
): Promise<void> {
  const attempts = await db.transaction().execute(async (trx) => {
    const unended = await countUnended(trx, project.id);
    if (unended > 0)
      throw new Refusal(
        409,
        'conflict',
        `${project.name} has ${unended === 1 ? 'a build' : `${unended} builds`} that did not end yet. Cancel or await them first.`,
      );
    const attempts = await attemptsOfProject(trx, project.id);
    await removeLater(trx, 'blobs', await digestsOfProject(trx, project.id), now());
    await trx.deleteFrom('projects').where('id', '=', project.id).execute();
    const { name } = project;
    await recordAudit(trx, { at: now(), by, action: 'project.remove', project: name, subject: name });
    return attempts;
  });
  live.changed('projects', `project:${project.name}`, 'deliveries', 'audit');
  // The records are gone, so nothing leads to these files any more: a failure leaves waste, not a wrong answer.
  const removed = await Promise.allSettled([
    mirrors.remove(project),
    ...attempts.map((attempt) => logs.remove(attempt)),
  ]);
  for (const { status, ...result } of removed)
    if (status === 'rejected')
      log.warn({ ...result, project: project.name }, 'A removed project left files behind');
}
