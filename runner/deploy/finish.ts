import type { Course } from './course.ts';
import type { DeployArtifact } from './deployment.ts';
import { discardProgram, finishProgram } from './scripts/switch.ts';
import { revisionLine } from './texts.ts';
import { Trouble } from './trouble.ts';

/**
 * What is left to do on hosts where the release is live and healthy: the log of revisions, and pruning. A host where that goes
 * wrong stays as it is; returns what went wrong, in sentences.
 */
export async function finishHosts(
  course: Course,
  o: { artifact: DeployArtifact | null; isFlip: boolean },
): Promise<string[]> {
  const { deployment, release } = course;
  const line = revisionLine(deployment, { ...o, release });
  return settle(
    course.targets.map((target) =>
      course.act(target, 'finish', async () => {
        const previous = target.before?.release;
        const protect = [...deployment.protect, ...(previous === undefined ? [] : [previous])];
        const { keep } = deployment.environment;
        const program = finishProgram(target.host.place, { release, line, keep, protect });
        const removed = (await course.run(target, program)).all('removed');
        if (removed.length === 0) return undefined;
        target.log.say(`Removed: ${removed.join(', ')}.`);
        return { detail: `Removed ${removed.join(', ')}.` };
      }),
    ),
  );
}

/** Removes the release that did not become live. A host that cannot be asked keeps it until its next deployment is finished. */
export async function discardRelease(course: Course): Promise<void> {
  const begun = course.targets.filter(({ prepared }) => prepared);
  await settle(
    begun.map(async (target) => {
      await course.run(target, discardProgram(target.host.place, course.release));
      target.log.say(`Release ${course.release} did not become live and was removed.`);
    }),
  );
}

async function settle(works: Promise<unknown>[]): Promise<string[]> {
  const results = await Promise.allSettled(works);
  return results.flatMap((result) => {
    if (result.status === 'fulfilled') return [];
    if (result.reason instanceof Trouble) return [result.reason.message];
    throw result.reason;
  });
}
