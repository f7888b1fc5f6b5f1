import type { Build } from '@reprise/server/api.ts';
import { Rig, type RigProject } from '../rig/reprise.ts';

/** The product as it is shipped: times of the protocol as they are, unlike in tests. */
export function startRig(command: 'server' | 'up', env: Record<string, string> = {}): Promise<Rig> {
  return Rig.start({ command, env: { REPRISE_TEST_TIME_SCALE: '1', ...env } });
}

/** Registers a repository that is already there as a project. */
export async function addProject(
  rig: Rig,
  name: string,
  path: string,
): Promise<Pick<RigProject, 'name' | 'webhook'>> {
  const { webhook } = await rig.api<Pick<RigProject, 'webhook'>>('POST', '/api/projects', {
    name,
    cloneUrl: `file://${path}`,
    github: `example/${name}`,
  });
  return { name, webhook };
}

/** Resolves once the build is planned: its jobs are known, or it ended without any. */
export function planned(rig: Rig, project: string, number: number): Promise<Build> {
  return rig.until(project, number, ({ jobs, finishedAt }) => jobs.length > 0 || finishedAt !== null);
}

/** Resolves once the build has passed; rejects when it ends in any other way, as its time would mean nothing. */
export async function passed(rig: Rig, project: string, number: number): Promise<Build> {
  const build = await rig.ended(project, number);
  if (build.status === 'passed') return build;
  const log = await rig.log(project, number, build.jobs[0]?.name ?? 'pipeline').catch(String);
  throw new Error(`Build ${number} of ${project} is ${build.status}: ${build.why}\n${log.slice(0, 4000)}`);
}

/** Milliseconds since 1970 of an instant of the API. */
export function instant(at: string | null | undefined): number {
  if (!at) throw new Error('An instant is missing from a finished build.');
  return Date.parse(at);
}
