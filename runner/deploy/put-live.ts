import { randomBytes } from 'node:crypto';
import { putBack, takeOut } from './balance.ts';
import { type Course, releasePath, type Target } from './course.ts';
import { awaitHealth } from './health.ts';
import { runCommand } from './prepare.ts';
import { switchProgram } from './scripts/switch.ts';
import { onAll, Trouble } from './trouble.ts';

/** Makes the deployment's release live, as many hosts at a time as the environment says. Throws at the first host that is not well. */
export async function goLive(course: Course): Promise<void> {
  const { targets } = course;
  const size = course.deployment.environment.batch ?? targets.length;
  for (let from = 0; from < targets.length; from += size) {
    await onAll(targets.slice(from, from + size), async (target) => {
      const to = { directory: releasePath(target, course.release), release: course.release };
      await putLive(course, target, { ...to, isNew: true, phase: 'switch' });
    });
  }
}

/**
 * Puts the hosts that were switched back to what was live before: those of the batch that failed together, because they are out
 * of service anyway, and then the others batch by batch; hosts that were only taken out of HAProxy come back into it. Goes on past hosts that cannot be put back; whether all were.
 */
export async function undo(course: Course): Promise<boolean> {
  const size = course.deployment.environment.batch ?? course.targets.length;
  const switched = course.targets.filter(({ switched }) => switched);
  const batches = Map.groupBy(switched.toReversed(), (target) =>
    Math.floor(course.targets.indexOf(target) / size),
  );
  let complete = true;
  for (const batch of batches.values()) {
    complete = (await areDone(batch.map((target) => undoOne(course, target)))) && complete;
  }
  const waiting = course.targets.filter(({ switched, drained }) => drained && !switched);
  return (await areDone(waiting.map((target) => putBack(course, target)))) && complete;
}

async function areDone(works: Promise<void>[]): Promise<boolean> {
  const results = await Promise.allSettled(works);
  const fault = results.find((result) => result.status === 'rejected' && !(result.reason instanceof Trouble));
  if (fault?.status === 'rejected') throw fault.reason;
  return results.every(({ status }) => status === 'fulfilled');
}

/** Cancelling an undo would leave things as nobody wants them, so it is not heard. */
async function undoOne(course: Course, target: Target): Promise<void> {
  const { before } = target;
  await putLive(course, target, {
    directory: before?.target ?? '',
    release: before?.release ?? '',
    isNew: false,
    phase: 'undo',
  });
}

interface Way {
  /** As `current` shall name it; empty: it is removed, and nothing is live. */
  directory: string;
  release: string;
  isNew: boolean;
  phase: 'switch' | 'undo';
}

async function putLive(course: Course, target: Target, way: Way): Promise<void> {
  const heed = () => {
    if (way.phase === 'switch') course.heed();
  };
  const { restart, health } = course.deployment.environment;
  heed();
  try {
    await takeOut(course, target);
  } catch (error) {
    // A load balancer that is away must not keep a bad release live.
    if (way.phase === 'switch' || !(error instanceof Trouble)) throw error;
  }
  heed();
  await course.act(target, way.phase, async () => {
    target.switched = true;
    const token = randomBytes(8).toString('hex');
    await course.run(target, switchProgram(target.host.place, { token, target: way.directory }));
    target.healthy = null;
    target.log.say(way.directory === '' ? 'Nothing is live, as before.' : `Live is ${way.release}.`);
    return undefined;
  });
  if (way.directory !== '') {
    heed();
    if (restart !== null)
      await course.act(target, 'restart', () => runCommand(course, target, restart, 'restart', way));
    heed();
    if (health !== null)
      await course.act(target, 'health', async () => {
        await awaitHealth(course, target, way);
        return undefined;
      });
    heed();
  }
  await putBack(course, target);
}
