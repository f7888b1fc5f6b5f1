import { randomBytes } from 'node:crypto';
import { type Course, type Facts, factsOf, type Target } from './course.ts';
import { RELEASE } from './deployment.ts';
import { laterThan } from './release-name.ts';
import { lockProgram, unlockProgram } from './scripts/lock.ts';
import { lockHolder, lockText } from './texts.ts';
import { onAll, Trouble } from './trouble.ts';

/**
 * Takes every host's lock, or throws: one that somebody holds is named and left alone, unless its deployment has ended. Then it
 * is known what is live on each host, and how the new release can be called.
 */
export async function lockHosts(course: Course): Promise<void> {
  const text = lockText(course.deployment, new Date());
  await onAll(course.targets, (target) => course.act(target, 'lock', () => lock(course, target, text)));
  if (course.deployment.kind !== 'deploy') return;
  nameRelease(course);
}

/** Gives the new release a name that no host has, and that is later than all. */
export function nameRelease(course: Course): void {
  const present = course.targets.flatMap(({ releases }) => releases);
  const name = laterThan(course.deployment.release, present);
  if (name === null)
    throw new Trouble(
      'errored',
      `The latest release on the hosts is called ${present.toSorted().at(-1)}, which is no time; rename or remove it.`,
    );
  course.release = name;
}

/** Gives the locks back that this deployment took; a host that cannot be asked keeps its own, and says so. */
export async function unlockHosts(course: Course): Promise<void> {
  const locked = course.targets.filter(({ lockTried }) => lockTried);
  await Promise.allSettled(
    locked.map((target) =>
      course.act(target, 'unlock', async () => {
        target.parting = await course.run(target, unlockProgram(target.host.place, course.deployment.id));
        return undefined;
      }),
    ),
  ).then((results) => {
    for (const result of results)
      if (result.status === 'rejected' && !(result.reason instanceof Trouble)) throw result.reason;
  });
}

async function lock(course: Course, target: Target, text: string) {
  const { id, ended, expected } = course.deployment;
  const token = randomBytes(8).toString('hex');
  const program = lockProgram(target.host.place, { id, token, text, ended });
  target.lockTried = true;
  const answer = await target.host.run(program, {
    timeoutMs: course.deployment.limits.actMs,
    output: target.log.output,
  });
  if (answer.kind === 'lost') {
    target.lockTried = answer.begun;
    throw new Trouble('errored', answer.why, answer.begun);
  }
  const held = answer.said.get('held');
  if (held !== null) {
    target.lockTried = false;
    throw new Trouble(
      'errored',
      `${target.name} is locked by ${lockHolder(held)}. If that has ended for good, remove ${target.host.place.path}/.reprise/lock there.`,
    );
  }
  if (answer.kind === 'refused') throw new Trouble('errored', answer.why);
  const { said } = answer;
  const current = said.get('current');
  target.before =
    current === null
      ? null
      : { target: current, release: releaseOf(current), facts: liveFacts(said.get('live')) };
  target.releases = said.all('release');
  target.drainedBefore = said.get('drained') !== null;
  const took = said.get('took');
  const details = [
    ...(took === null ? [] : [`The lock of ${took}, which has ended, was taken over.`]),
    ...surprise(expected[target.name]?.release ?? null, target.before?.release ?? null),
  ];
  target.log.say(['Locked.', ...details, `Live is ${target.before?.release ?? 'nothing'}.`].join(' '));
  return details.length === 0 ? undefined : { detail: details.join(' ') };
}

/** A `RELEASE.json` may be anybody's. Reprise's own has the version with the artifact. */
function liveFacts(text: string | null): Facts {
  try {
    const live = JSON.parse(text ?? '{}');
    return factsOf({ ...live, ...live?.artifact });
  } catch {
    return factsOf({});
  }
}

/** A release's name, or whatever else `current` leads to. */
export function releaseOf(target: string): string {
  const name = target.slice(target.lastIndexOf('/') + 1);
  return RELEASE.test(name) ? name : target;
}

function surprise(expected: string | null, found: string | null): string[] {
  if (expected === null || expected === found) return [];
  return [`Live was ${found ?? 'nothing'}, although ${expected} was recorded: somebody else has changed it.`];
}
