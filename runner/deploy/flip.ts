import type { Course, Target } from './course.ts';
import { measuredDigest, readMeasured } from './manifest.ts';
import { measureProgram } from './scripts/unpack.ts';
import { Trouble } from './trouble.ts';

/**
 * Why a rollback cannot just flip back, because the release is not on every host as it was recorded; null when it can. A release of
 * which nothing was recorded (Capistrano made it) is flipped to only where there is no artifact that could be deployed again.
 */
export async function whyNotFlip(course: Course, release: string): Promise<string | null> {
  const reasons = await Promise.all(course.targets.map((target) => lookAtRelease(course, target, release)));
  return reasons.find((reason) => reason !== null) ?? null;
}

async function lookAtRelease(course: Course, target: Target, release: string): Promise<string | null> {
  if (!target.releases.includes(release)) return `${target.name} has no release ${release} any more.`;
  const recorded = course.deployment.rollbackTo?.digests[target.name];
  if (recorded === undefined) {
    if (course.deployment.artifact !== null)
      return `Nothing is recorded of release ${release} on ${target.name}.`;
    target.log.say(`Nothing is recorded of release ${release}, so its content cannot be proved.`);
    return null;
  }
  try {
    const program = measureProgram(target.host.place, { release, list: 'manifest' });
    const said = await course.run(target, program);
    target.digest = measuredDigest(readMeasured(said, course.deployment.environment.shared));
  } catch (error) {
    if (!(error instanceof Trouble) || error.lost) throw error;
    return error.message;
  }
  return target.digest === recorded
    ? null
    : `Release ${release} on ${target.name} is not as it was installed any more.`;
}
