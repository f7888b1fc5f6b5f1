import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { Deployment, DeployResult } from '@reprise/runner/deploy/deployment.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { carryOut, deploymentTo, makeArtifact } from '../../rig/deploy/deployments.ts';
import { isRoot, startHosts, type TestHosts } from '../../rig/deploy/hosts.ts';
import { freePort } from '../../rig/sshd.ts';

describe.skipIf(!isRoot)('three hosts that have history (as root)', () => {
  let hosts: TestHosts;
  beforeEach(async () => {
    hosts = await startHosts();
  });
  afterEach(() => hosts[Symbol.asyncDispose]());

  const version = (name: string) => makeArtifact(hosts.dir, { name }, { version: name });
  async function done(given: Deployment): Promise<DeployResult> {
    const { result, log } = await carryOut(given);
    expect(result, log).toMatchObject({ outcome: 'done', status: 'passed' });
    return result;
  }
  const digestsOf = (result: DeployResult) =>
    Object.fromEntries(result.hosts.map(({ host, digest }) => [host, digest ?? '']));

  test('old releases go, but never the live one, the one before it, or a protected one', async () => {
    const environment = { keep: 2 };
    const protect = '20261122190601';
    const names: string[] = [];
    for (const number of ['01', '02', '03', '04', '05']) {
      const release = `202611221906${number}`;
      names.push(
        (await done(deploymentTo(hosts, version(`${number}`), { release, environment, protect: [protect] })))
          .release,
      );
    }
    expect(names).toEqual(['01', '02', '03', '04', '05'].map((number) => `202611221906${number}`));
    for (const index of [0, 1, 2]) {
      expect(hosts.releases(index)).toEqual([protect, '20261122190604', '20261122190605']);
      expect(existsSync(hosts.at(index, '.reprise/20261122190602.manifest'))).toBe(false);
    }
    // One that is older than all, although it is proposed again.
    const again = await done(
      deploymentTo(hosts, version('06'), { release: protect, environment: { keep: 1 } }),
    );
    expect(again.release).toBe('20261122190606');
    for (const index of [0, 1, 2])
      expect(hosts.releases(index)).toEqual(['20261122190605', '20261122190606']);
  });

  test('a rollback flips to the release as it was recorded, and the log of revisions says so', async () => {
    const environment = { restart: 'echo "$REPRISE_RELEASE" > ../../restarted' };
    const first = await done(deploymentTo(hosts, version('1.0.0'), { environment }));
    const second = await done(deploymentTo(hosts, version('2.0.0'), { environment }));
    const artifact = { ...version('1.0.0'), file: null };
    const back = await done(
      deploymentTo(hosts, artifact, {
        kind: 'rollback',
        environment,
        rollbackTo: { release: first.release, digests: digestsOf(first) },
      }),
    );
    expect(back).toMatchObject({ release: first.release, redeployed: false });
    expect(back.hosts.map(({ digest }) => digest)).toEqual(first.hosts.map(({ digest }) => digest));
    for (const index of [0, 1, 2]) {
      expect(hosts.live(index)).toBe(first.release);
      expect(hosts.releases(index)).toEqual([first.release, second.release]);
      expect(readFileSync(hosts.at(index, 'restarted'), 'utf8')).toBe(`${first.release}\n`);
      expect(hosts.revisions(index).at(-1)).toBe(
        `alice rolled back to release ${first.release}: a new price list (Reprise shop#12 1.0.0)`,
      );
    }
  });

  test('a rollback to a release that is gone or was changed deploys its artifact again', async () => {
    const artifact = version('1.0.0');
    const first = await done(deploymentTo(hosts, artifact));
    await done(deploymentTo(hosts, version('2.0.0')));
    writeFileSync(hosts.at(1, 'releases', first.release, 'name'), 'tampered');
    const given = (file: string | null) =>
      deploymentTo(
        hosts,
        { ...artifact, file },
        { kind: 'rollback', rollbackTo: { release: first.release, digests: digestsOf(first) } },
      );
    const refused = await carryOut(given(null));
    expect(refused.result).toMatchObject({ outcome: 'unchanged', status: 'errored' });
    expect(refused.result.why).toContain('is not as it was installed any more');
    const again = await done(given(artifact.file));
    expect(again.redeployed).toBe(true);
    expect(again.release > first.release).toBe(true);
    rmSync(hosts.at(2, 'releases', first.release), { recursive: true });
    const gone = await done(given(artifact.file));
    expect(gone.redeployed).toBe(true);
    for (const index of [0, 1, 2]) {
      expect(hosts.live(index)).toBe(gone.release);
      expect(
        readFileSync(hosts.at(index, 'current/name').replace('current', `releases/${gone.release}`), 'utf8'),
      ).toBe('1.0.0');
    }
  });

  test('a probe tells match, drift, partial, foreign, none and unreachable apart, and changes nothing', async () => {
    const port = await freePort();
    const environment = {
      shared: ['log/'],
      health: { http: `http://127.0.0.1:${port}/`, run: null, timeoutMs: 2000 },
    };
    const probe = async (expected: Deployment['expected'] = {}) => {
      const { result, records } = await carryOut(
        deploymentTo(hosts, null, { kind: 'probe', environment, expected }),
      );
      expect(records.map(({ phase }) => phase)).toEqual(Array(6).fill('probe'));
      return result.probes;
    };
    expect(await probe()).toMatchObject([0, 1, 2].map(() => ({ state: 'none', current: null, lock: null })));
    expect(existsSync(hosts.at(0))).toBe(false);
    const plain = { shared: ['log/'] };
    const first = await done(deploymentTo(hosts, version('1.0.0'), { environment: plain }));
    const expected = Object.fromEntries(
      first.hosts.map(({ host, digest }) => [host, { release: first.release, digest }]),
    );
    writeFileSync(hosts.at(0, 'releases', first.release, 'added'), 'by the application');
    const matching = await probe(expected);
    expect(matching).toMatchObject(
      [0, 1, 2].map(() => ({ state: 'match', current: first.release, differences: [] })),
    );
    expect(matching[0]?.load).toHaveLength(3);
    expect(matching[0]?.disk?.total).toBeGreaterThan(matching[0]?.disk?.free ?? Number.POSITIVE_INFINITY);
    expect(matching[0]?.processors).toBeGreaterThan(0);
    expect(matching[0]?.health).toEqual({
      healthy: false,
      detail: `http://127.0.0.1:${port}/ does not answer.`,
    });

    writeFileSync(hosts.at(0, 'releases', first.release, 'name'), 'tampered');
    rmSync(hosts.at(0, 'releases', first.release, 'COMPLETE'));
    rmSync(hosts.at(1, 'current'));
    symlinkSync(`${hosts.path}/releases/20200101000000`, hosts.at(1, 'current'));
    await hosts.hosts[2]?.crash();
    const drifted = await probe(expected);
    expect(drifted[0]).toMatchObject({
      state: 'drift',
      differences: [
        { path: 'COMPLETE', change: 'missing' },
        { path: 'name', change: 'changed' },
      ],
    });
    expect(drifted[1]).toMatchObject({ state: 'partial', current: '20200101000000' });
    expect(drifted[2]).toMatchObject({ state: 'unreachable', current: null });
    expect(drifted[2]?.detail).toContain('cannot be reached');

    mkdirSync(hosts.at(1, 'releases/20200101000000'));
    expect((await probe())[1]).toMatchObject({ state: 'foreign', current: '20200101000000', digest: null });
    expect((await probe(expected))[1]).toMatchObject({ state: 'drift' });
  });

  test('converging brings one host to what is live on the others', async () => {
    const first = await done(deploymentTo(hosts, version('1.0.0')));
    rmSync(hosts.at(1), { recursive: true });
    const result = await done(deploymentTo(hosts, version('1.0.0'), { only: [hosts.names[1] ?? ''] }));
    expect(result.hosts).toMatchObject([{ host: hosts.names[1], state: 'new' }]);
    expect([hosts.live(0), hosts.live(1), hosts.live(2)]).toEqual([
      first.release,
      result.release,
      first.release,
    ]);
  });

  test('hosts behind a jump host are reached through it, and its key is pinned too', async () => {
    const [jump = '', ...rest] = hosts.names;
    const environment = { hosts: rest, jump };
    const result = await done(deploymentTo(hosts, version('1.0.0'), { environment }));
    expect([hosts.live(1), hosts.live(2)]).toEqual([result.release, result.release]);
    const { [jump]: _, ...unpinned } = hosts.knownHosts();
    const refused = await carryOut({
      ...deploymentTo(hosts, version('2.0.0'), { environment }),
      knownHosts: unpinned,
    });
    expect(refused.result).toMatchObject({ outcome: 'unchanged', status: 'errored' });
  });
});
