import type { Build } from '@reprise/server/api.ts';
import type { Rig, RigProject } from '../rig/reprise.ts';
import { pipelineOf } from './repositories.ts';
import { instant, passed } from './reprise.ts';

/** 200 MB in two million lines, written as fast as a program can. */
export const FLOOD = {
  bytes: 200_000_000,
  // `yes` ends by the closed pipe, which a shell with pipefail would take for a failure.
  command: `{ yes ${'0123456789'.repeat(9)}012345678 || :; } | head -c 200000000`,
};

/** A build whose step waits until it is let go, and then floods its log. */
export interface Flood {
  number: number;
  topic: string;
  release(): void;
  /** Resolves when the build has ended: seconds from the flood's first byte to the build's end, as recorded. */
  ended(): Promise<number>;
}

export function floodProject(rig: Rig): Promise<RigProject> {
  return rig.project('flood', { '.reprise.yml': pipelineOf(rig.puppet('$REPRISE_BUILD'), FLOOD.command) });
}

export async function startFlood(rig: Rig, project: RigProject): Promise<Flood> {
  const { number } = await rig.api<Build>('POST', `/api/projects/${project.name}/builds`, {
    ref: project.head,
  });
  await rig.logHas(project.name, number, 'job', 'waits');
  return {
    number,
    topic: `log:${project.name}/${number}/job/1`,
    release: () => rig.release(String(number)),
    async ended() {
      const build = await passed(rig, project.name, number);
      const [job] = build.jobs;
      if (!job || job.logSize < FLOOD.bytes) throw new Error(`The log has ${job?.logSize} bytes.`);
      return (instant(build.finishedAt) - instant(job.steps[1]?.startedAt)) / 1000;
    },
  };
}
