import { topicsOfBuild } from '../live/topics.ts';
import type { Services } from '../services.ts';

type Named = { project: string; number: number };

/** Tells watchers, and the planner, of builds that were just recorded. Call it after the commit. */
export function announceNew(
  { live, planner }: Pick<Services, 'live' | 'planner'>,
  builds: readonly Named[],
): void {
  announceChanged({ live }, builds);
  planner.wake();
}

/** Tells watchers that these builds, or jobs of them, are no longer as they were. Call it after the commit. */
export function announceChanged({ live }: Pick<Services, 'live'>, builds: readonly Named[]): void {
  const topics = builds.flatMap(({ project, number }) => topicsOfBuild(project, number));
  live.changed('queue', ...new Set(topics));
}
