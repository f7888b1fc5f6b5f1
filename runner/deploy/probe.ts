import type { Course, Target } from './course.ts';
import type { HostProbe } from './deployment.ts';
import { lookAtHealth } from './health.ts';
import type { Said } from './hosts/session.ts';
import { releaseOf } from './lock-hosts.ts';
import { compare, measuredDigest, readManifest, readMeasured } from './manifest.ts';
import { lookProgram } from './scripts/look.ts';
import { Trouble } from './trouble.ts';

/** So many paths are named at most; somebody who has more has other questions. */
const MOST_DIFFERENCES = 100;

/** Looks at every host, takes no lock and changes nothing. A host that cannot be asked is `unreachable`, with why. */
export function probeHosts(course: Course): Promise<HostProbe[]> {
  return Promise.all(course.targets.map((target) => probe(course, target)));
}

async function probe(course: Course, target: Target): Promise<HostProbe> {
  let seen: HostProbe | null = null;
  try {
    await course.act(target, 'probe', async () => {
      const said = await course.run(target, lookProgram(target.host.place, { measure: true }));
      seen = { ...facts(target, said), ...judge(course, target, said) };
      seen.health = await health(course, target, said);
      return { detail: seen.detail ?? undefined, digest: seen.digest ?? undefined };
    });
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    return { ...NOTHING, host: target.name, detail: error.message };
  }
  return seen ?? { ...NOTHING, host: target.name };
}

const NOTHING: HostProbe = {
  host: '',
  state: 'unreachable',
  detail: null,
  current: null,
  digest: null,
  differences: [],
  releases: [],
  lock: null,
  health: null,
  load: null,
  processors: null,
  disk: null,
};

function facts(target: Target, said: Said): HostProbe {
  const current = said.get('current');
  const load = (said.get('load') ?? '').split(' ').slice(0, 3).map(Number);
  // Device, blocks of 1024 bytes, used, available, per cent, where it is mounted.
  const disk = (said.get('disk') ?? '').trim().split(/\s+/).slice(-5).map(Number);
  const [total = Number.NaN, , free = Number.NaN] = disk;
  return {
    ...NOTHING,
    host: target.name,
    current: current === null ? null : releaseOf(current),
    releases: said.all('release').toSorted(),
    lock: said.get('lock'),
    load: load.length === 3 && load.every(Number.isFinite) ? load : null,
    processors: Number(said.get('processors')) || null,
    disk: Number.isFinite(total) && Number.isFinite(free) ? { total: total * 1024, free: free * 1024 } : null,
  };
}

type Verdict = Pick<HostProbe, 'state' | 'detail' | 'digest' | 'differences'>;

function judge(course: Course, target: Target, said: Said): Verdict {
  const { expected, environment } = course.deployment;
  const recorded = expected[target.name];
  const plain = { digest: null, differences: [] };
  const current = said.get('current');
  if (current === null) return nothingLive(said, recorded?.release ?? null);
  const release = releaseOf(current);
  if (said.get('reachable') === null)
    return { ...plain, state: 'partial', detail: `current leads to ${current}, which is not there.` };
  if (said.get('unfinished') !== null || said.get('unreadable') !== null)
    return { ...plain, state: 'partial', detail: `Release ${release} is not complete.` };
  const manifest = said.get('manifest');
  if (manifest === null) {
    const detail = `Release ${release} was not made by Reprise, so its content cannot be proved.`;
    return { ...plain, state: recorded?.release ? 'drift' : 'foreign', detail };
  }
  const measured = readMeasured(said, environment.shared);
  const differences = compare(readManifest(manifest), measured);
  const digest = measuredDigest(measured);
  const found = { digest, differences: differences.slice(0, MOST_DIFFERENCES) };
  if (recorded?.release != null && recorded.release !== release)
    return {
      ...found,
      state: 'drift',
      detail: `Live is ${release}, although ${recorded.release} was recorded.`,
    };
  if (differences.length > 0)
    return {
      ...found,
      state: 'drift',
      detail: `${differences.length} of the paths of ${release} are not as they were installed.`,
    };
  if (recorded?.digest != null && recorded.digest !== digest)
    return {
      ...found,
      state: 'drift',
      detail: `Release ${release} and its manifest were changed after it was installed.`,
    };
  return { ...found, state: 'match', detail: null };
}

function nothingLive(said: Said, recorded: string | null): Verdict {
  const plain = { digest: null, differences: [] };
  if (said.get('occupied') !== null) return { ...plain, state: 'partial', detail: 'current is no link.' };
  if (recorded === null) return { ...plain, state: 'none', detail: null };
  return { ...plain, state: 'drift', detail: `Nothing is live, although ${recorded} was recorded.` };
}

async function health(course: Course, target: Target, said: Said): Promise<HostProbe['health']> {
  const current = said.get('current');
  if (course.deployment.environment.health === null || current === null) return null;
  const at = { directory: current, release: releaseOf(current), isNew: false };
  const { healthy, detail } = await lookAtHealth(
    course,
    target,
    at,
    course.deployment.environment.health.timeoutMs,
  );
  return { healthy, detail };
}
