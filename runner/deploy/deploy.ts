import { Course, type Target } from './course.ts';
import type { DeployArtifact, Deployment, DeployPorts, DeployResult, HostState } from './deployment.ts';
import { discardRelease, finishHosts } from './finish.ts';
import { whyNotFlip } from './flip.ts';
import { openHosts } from './hosts/open-hosts.ts';
import { lockHosts, nameRelease, releaseOf, unlockHosts } from './lock-hosts.ts';
import { prepareHosts } from './prepare.ts';
import { probeHosts } from './probe.ts';
import { goLive, undo } from './put-live.ts';
import { lookProgram } from './scripts/look.ts';
import { Trouble } from './trouble.ts';

/**
 * Carries a deployment, a rollback or a probe out, and says what is true at the end. Every act on a host is recorded before it is done
 * and after, and nothing is done that could not be recorded: it rejects then, and leaves everything as it stands, locks included.
 * What hosts, commands and artifacts do wrong is in the result.
 */
export async function deploy(deployment: Deployment, ports: DeployPorts): Promise<DeployResult> {
  await using opened = openHosts(deployment);
  const course = new Course(deployment, opened.hosts, ports);
  if (deployment.kind === 'probe') {
    const probes = await probeHosts(course);
    const base = { outcome: 'done', status: 'passed', why: null, release: course.release } as const;
    return { ...base, redeployed: false, hosts: [], probes };
  }
  return await carryOut(course);
}

interface Ending {
  status: DeployResult['status'];
  why: string | null;
  undone: boolean;
  redeployed: boolean;
}

async function carryOut(course: Course): Promise<DeployResult> {
  const ending: Ending = { status: 'passed', why: null, undone: true, redeployed: false };
  try {
    course.heed();
    await lockHosts(course);
    course.heed();
    const { flips, artifact } = await makeRelease(course);
    ending.redeployed = course.deployment.kind === 'rollback' && !flips;
    course.heed();
    await goLive(course);
    const problems = await finishHosts(course, { artifact, isFlip: flips });
    if (problems.length > 0) ending.why = problems.join(' ');
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    ending.status = error.status;
    ending.why = error.message;
    ending.undone = await undo(course);
    await discardRelease(course);
  }
  await unlockHosts(course);
  const hosts = await Promise.all(course.targets.map((target) => stateOf(course, target)));
  return { ...conclude(course, ending, hosts), release: course.release, hosts, probes: [] };
}

/** Makes the new release everywhere, or, for a rollback, finds that the old one is there as it was. */
async function makeRelease(course: Course): Promise<{ flips: boolean; artifact: DeployArtifact | null }> {
  const { kind, rollbackTo, artifact } = course.deployment;
  if (kind === 'rollback' && rollbackTo !== null) {
    const why = await whyNotFlip(course, rollbackTo.release);
    if (why === null) {
      course.release = rollbackTo.release;
      return { flips: true, artifact };
    }
    if (artifact?.file == null)
      throw new Trouble('errored', `${why} The artifact is not at hand to deploy it again.`);
    for (const target of course.targets) target.log.say(`${why} The artifact is deployed again instead.`);
    nameRelease(course);
  }
  if (artifact === null) throw new Trouble('errored', 'There is nothing to deploy: no artifact was given.');
  await prepareHosts(course, artifact);
  return { flips: false, artifact };
}

function conclude(
  { targets }: Course,
  ending: Ending,
  hosts: readonly HostState[],
): Pick<DeployResult, 'outcome' | 'status' | 'why' | 'redeployed'> {
  const { status, why, redeployed } = ending;
  if (status === 'passed') {
    const isDone = hosts.every(({ state }) => state === 'new');
    const doubt = isDone
      ? why
      : [why, 'Not every host could be seen with the new release at the end.'].filter(Boolean).join(' ');
    return {
      outcome: isDone ? 'done' : 'mixed',
      status: isDone ? 'passed' : 'errored',
      why: doubt,
      redeployed,
    };
  }
  if (!targets.some(({ switched }) => switched) && ending.undone) {
    return { outcome: 'unchanged', status, why, redeployed };
  }
  const isBack = targets.every(({ switched, before }, index) => {
    const state = hosts[index]?.state;
    return !switched || state === (before === null ? 'none' : 'previous');
  });
  return { outcome: ending.undone && isBack ? 'undone' : 'mixed', status, why, redeployed };
}

/** Looks, because what was done and what is there can differ. */
async function stateOf(course: Course, target: Target): Promise<HostState> {
  const locked = target.lockTried && target.parting === null;
  const unknown = {
    host: target.name,
    state: 'unknown',
    current: null,
    healthy: null,
    digest: null,
  } as const;
  try {
    const look = lookProgram(target.host.place, { measure: false });
    const said = target.parting ?? (await course.run(target, look));
    const current = said.get('current');
    const state = stateWith(course, target, current);
    return {
      host: target.name,
      state,
      current: current === null ? null : releaseOf(current),
      healthy: target.healthy,
      digest: state === 'new' ? target.digest : null,
      locked,
    };
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    return { ...unknown, locked };
  }
}

function stateWith(course: Course, { before, switched }: Target, current: string | null): HostState['state'] {
  if (current === null) return 'none';
  const release = releaseOf(current);
  if (release === course.release && (switched || before?.release !== release)) return 'new';
  return release === before?.release ? 'previous' : 'other';
}
