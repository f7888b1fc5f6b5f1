import type { Kysely } from 'kysely';
import { REPRISE } from '../auth/caller.ts';
import { announceNew } from '../builds/announce.ts';
import { insertBuild } from '../builds/new-build.ts';
import { newId } from '../db/id.ts';
import type { Database, Project } from '../db/schema.ts';
import type { Services } from '../services.ts';
import type { Trigger } from '../webhooks/event.ts';
import { buildOf } from '../webhooks/receive.ts';
import type { Found } from './compare.ts';

const WHY = 'found by looking: no webhook announced it';

/** Whether a head was announced by a delivery, whatever became of that, or was built. */
export async function isKnown(
  db: Kysely<Database>,
  projectId: string,
  { ref, object, commit }: Pick<Found, 'ref' | 'object' | 'commit'>,
): Promise<boolean> {
  const build = await db
    .selectFrom('builds')
    .select('id')
    .where('project_id', '=', projectId)
    .where('commit_sha', '=', commit)
    .where('ref', '=', ref)
    .limit(1)
    .executeTakeFirst();
  if (build) return true;
  const delivery = await db
    .selectFrom('deliveries')
    .select('id')
    .where('project_id', '=', projectId)
    .where('after_sha', '=', object)
    .where('ref', '=', ref)
    .limit(1)
    .executeTakeFirst();
  return delivery !== undefined;
}

/** Builds a head that nobody announced, and records it among the deliveries. Does nothing where it is known by now. */
export async function buildFound(
  services: Pick<Services, 'db' | 'now' | 'live' | 'planner' | 'log'>,
  project: Pick<Project, 'id' | 'name'>,
  found: Found,
): Promise<void> {
  const { db, now, live, log } = services;
  const at = now();
  const trigger = triggerOf(found);
  const id = newId();
  const number = await db.transaction().execute(async (trx) => {
    if (await isKnown(trx, project.id, found)) return null;
    const build = { ...buildOf(trigger, id), trigger_reason: WHY };
    const number = await insertBuild(trx, project.id, build, at);
    await trx
      .insertInto('deliveries')
      .values({
        id,
        project_id: project.id,
        guid: `look-${id}`,
        event: 'look',
        action: null,
        ref: found.ref,
        before_sha: found.before,
        after_sha: found.object,
        sender: REPRISE.name,
        trigger: JSON.stringify(trigger),
        builds: JSON.stringify([number]),
        received_at: at,
      })
      .execute();
    return number;
  });
  if (number === null) return;
  log.warn(
    { project: project.name, ref: found.ref, commit: found.commit, build: number },
    `a push was ${WHY}`,
  );
  announceNew(services, [{ project: project.name, number }]);
  live.changed('deliveries', `project:${project.name}`);
}

function triggerOf({ ref, commit, before }: Found): Trigger {
  const branch = /^refs\/heads\/(.+)$/s.exec(ref)?.[1] ?? null;
  const tag = /^refs\/tags\/(.+)$/s.exec(ref)?.[1] ?? null;
  return {
    kind: tag === null ? 'push' : 'tag',
    commit,
    ref,
    branch,
    tag,
    pullRequest: null,
    // Planning reads them from the commit.
    message: '',
    authorName: '',
    authorEmail: '',
    by: REPRISE.name,
    changes: tag === null ? { since: before, paths: null } : null,
  };
}
