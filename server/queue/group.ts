import type { PlannedJob } from '@reprise/pipelines/model.ts';

/** How a job's place among the others is kept: groups are a project's own, whose id is therefore part of theirs. */
export function placeOf(
  projectId: string,
  { priority = 0, concurrency }: Pick<PlannedJob, 'priority' | 'concurrency'>,
): { priority: number; concurrency_group: string; concurrency_limit: number } {
  if (concurrency === undefined) return { priority, concurrency_group: '', concurrency_limit: 1 };
  const { group, limit } = concurrency;
  return { priority, concurrency_group: `${projectId}/${group}`, concurrency_limit: limit };
}

/** What the pipeline file calls it. */
export function nameOfGroup(group: string): string {
  return group.slice(group.indexOf('/') + 1);
}
