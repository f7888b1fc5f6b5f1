import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import type { Topic } from './topics.ts';

/** Whether what a topic names exists; for a log, whose attempt it is. null: it does not. */
export async function findTopic(
  db: Kysely<Database>,
  topic: Topic,
): Promise<{ attempt: string | null } | null> {
  if (topic.kind === 'project' || topic.kind === 'environments') {
    const found = await db
      .selectFrom('projects')
      .select('id')
      .where('name', '=', topic.project)
      .executeTakeFirst();
    return found ? { attempt: null } : null;
  }
  if (topic.kind === 'build') {
    const found = await buildOf(db, topic).select('builds.id').executeTakeFirst();
    return found ? { attempt: null } : null;
  }
  if (topic.kind === 'log') {
    const found = await buildOf(db, topic)
      .innerJoin('jobs', 'jobs.build_id', 'builds.id')
      .innerJoin('attempts', 'attempts.job_id', 'jobs.id')
      .select('attempts.id')
      .where('jobs.name', '=', topic.job)
      .where('attempts.number', '=', topic.attempt)
      .executeTakeFirst();
    return found ? { attempt: found.id } : null;
  }
  return { attempt: null };
}

function buildOf(db: Kysely<Database>, { project, build }: { project: string; build: number }) {
  return db
    .selectFrom('builds')
    .innerJoin('projects', 'projects.id', 'builds.project_id')
    .where('projects.name', '=', project)
    .where('builds.number', '=', build);
}
