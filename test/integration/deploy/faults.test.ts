import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Deployment, Phase } from '@reprise/runner/deploy/deployment.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { carryOut, deploymentTo, makeArtifact } from '../../rig/deploy/deployments.ts';
import { isRoot, startHosts, type TestHosts } from '../../rig/deploy/hosts.ts';

describe.skipIf(!isRoot)('three hosts of which something goes wrong (as root)', () => {
  let hosts: TestHosts;
  let first: string;
  const environment = {
    batch: 1,
    prepare: [{ run: 'echo prepared > prepared', on: 'all' as const }],
    restart: 'set -u; echo "$REPRISE_RELEASE" >> ../../restarts; echo "$REPRISE_VERSION" >> ../../versions',
    health: { http: null, run: 'test ! -e UNHEALTHY && test -e prepared', timeoutMs: 1500 },
  };
  const version = (name: string, files: Record<string, string> = {}) =>
    makeArtifact(hosts.dir, { name, ...files }, { version: name });
  const given = (artifact: ReturnType<typeof version>, o: Partial<Deployment> = {}) =>
    deploymentTo(hosts, artifact, { ...o, environment: { ...environment, ...o.environment } });

  beforeEach(async () => {
    hosts = await startHosts();
    const { result, log } = await carryOut(given(version('1.0.0')));
    expect(result.outcome, log).toBe('done');
    first = result.release;
  });
  afterEach(() => hosts[Symbol.asyncDispose]());

  test.each<[Phase, 'before' | 'after']>([
    ['lock', 'before'],
    ['lock', 'after'],
    ['prepare', 'before'],
    ['prepare', 'after'],
    ['switch', 'before'],
    ['switch', 'after'],
    ['restart', 'before'],
    ['restart', 'after'],
    ['health', 'before'],
    ['health', 'after'],
    ['undo', 'before'],
    ['undo', 'after'],
    ['finish', 'before'],
    ['unlock', 'before'],
  ])('a host that dies in %s, %s its record: what is said is what is there', async (phase, at) => {
    const dying = hosts.names[1];
    let died = false;
    // Only what is not healthy is undone, here on all hosts together.
    const isUndo = phase === 'undo';
    const attempt = given(version('2.0.0', isUndo ? { UNHEALTHY: '' } : {}), {
      environment: { ...environment, ...(isUndo ? { batch: null } : {}) } as Deployment['environment'],
    });
    const { result, records } = await carryOut(attempt, async (entry) => {
      if (died || entry.host !== dying || entry.phase !== phase || entry.at !== at) return;
      died = true;
      await hosts.hosts[1]?.crash();
    });
    expect(died).toBe(true);
    expect(result.hosts[1]).toMatchObject({ state: 'unknown', current: null });
    // After its health it has no part until the end, so the others go on.
    const isLate = phase === 'finish' || phase === 'unlock' || (phase === 'health' && at === 'after');
    const wasSwitched = records.some(
      (entry) => entry.host === dying && entry.phase === 'switch' && entry.at === 'before',
    );
    if (isLate) expect(result).toMatchObject({ outcome: 'mixed', status: 'errored' });
    else
      expect(result.outcome).toBe(
        wasSwitched ? 'mixed' : records.some(({ phase: done }) => done === 'switch') ? 'undone' : 'unchanged',
      );
    for (const index of [0, 2]) {
      expect(hosts.live(index)).toBe(isLate ? result.release : first);
      expect(result.hosts[index]?.current).toBe(hosts.live(index));
      expect(existsSync(hosts.at(index, '.reprise/lock'))).toBe(false);
      if (!isLate) expect(hosts.releases(index)).toEqual([first]);
    }
    // It was either switched or not, and is complete in any case.
    const isDone = (act: Phase) =>
      records.some((entry) => entry.host === dying && entry.phase === act && entry.outcome === 'done');
    expect(hosts.live(1)).toBe(isDone('switch') && !isDone('undo') ? result.release : first);

    await hosts.hosts[1]?.start();
    const probed = await carryOut(deploymentTo(hosts, null, { kind: 'probe', environment }));
    expect(probed.result.probes.map(({ current }) => current)).toEqual(
      [0, 1, 2].map((index) => hosts.live(index)),
    );
    const held = probed.result.probes[1]?.lock ?? null;
    expect(held !== null).toBe(result.hosts[1]?.locked);
    const next = await carryOut(given(version('3.0.0'), { ended: [attempt.id] }));
    expect(next.result.outcome, next.log).toBe('done');
    if (held !== null)
      expect(next.log).toContain(`The lock of ${attempt.id}, which has ended, was taken over.`);
    for (const index of [0, 1, 2]) {
      expect(hosts.live(index)).toBe(next.result.release);
      expect(readdirSync(hosts.at(index, '.reprise')).filter((name) => !/^[0-9]{14}\./.test(name))).toEqual(
        [],
      );
    }
  });

  test('a release that is not healthy is undone within its time and five seconds, and removed', async () => {
    // From the first look at its health until the one that finds the host as it was before.
    const looked: number[] = [];
    const attempt = given(version('2.0.0', { UNHEALTHY: '' }));
    const { result, log, records } = await carryOut(attempt, ({ phase }) => {
      if (phase === 'health') looked.push(performance.now());
    });
    const failed = records.find(({ phase, outcome }) => phase === 'health' && outcome === 'failed');
    expect(failed?.detail).toContain('was not healthy within 1.5 s: The check ended with 1.');
    expect(looked).toHaveLength(4);
    expect((looked.at(-1) ?? 0) - (looked[0] ?? 0)).toBeLessThan(1500 + 5000);
    expect(result, log).toMatchObject({ outcome: 'undone', status: 'failed' });
    expect(result.hosts).toMatchObject(
      [0, 1, 2].map(() => ({ state: 'previous', current: first, locked: false })),
    );
    for (const index of [0, 1, 2]) {
      expect(hosts.live(index)).toBe(first);
      expect(hosts.releases(index)).toEqual([first]);
      expect(hosts.revisions(index)).toHaveLength(1);
    }
    const restarts = readFileSync(hosts.at(0, 'restarts'), 'utf8').trim().split('\n');
    expect(restarts).toEqual([first, result.release, first]);
    expect(readFileSync(hosts.at(0, 'versions'), 'utf8')).toBe('1.0.0\n2.0.0\n1.0.0\n');
    expect(readFileSync(hosts.at(1, 'restarts'), 'utf8').trim()).toBe(first);
  });

  test('hosts of batches that had gone well are put back too', async () => {
    writeFileSync(hosts.at(2, 'shared/bad'), '');
    const health = { http: null, run: 'test ! -e ../../shared/bad || test ! -e NEW', timeoutMs: 1000 };
    const { result, log } = await carryOut(
      given(version('2.0.0', { NEW: '' }), {
        environment: { ...environment, health } as Deployment['environment'],
      }),
    );
    expect(result, log).toMatchObject({ outcome: 'undone', status: 'failed' });
    for (const index of [0, 1, 2]) {
      expect(hosts.live(index)).toBe(first);
      expect(readFileSync(hosts.at(index, 'restarts'), 'utf8').trim().split('\n').at(-1)).toBe(first);
    }
  });

  test('a failing command of prepare changes nothing', async () => {
    const prepare = [{ run: 'echo no >&2\nfalse\necho not reached', on: 'first' as const }];
    const { result, log } = await carryOut(
      given(version('2.0.0'), { environment: { ...environment, prepare } as Deployment['environment'] }),
    );
    expect(result).toMatchObject({ outcome: 'unchanged', status: 'failed' });
    expect(result.why).toContain('The command of prepare ended with 1');
    expect(log).toContain('| no\n');
    expect(log).not.toContain('not reached');
    for (const index of [0, 1, 2]) expect(hosts.releases(index)).toEqual([first]);
  });

  test('a command that takes too long is ended, with what it started', async () => {
    const prepare = [{ run: 'sleep 543 & sleep 543', on: 'all' as const }];
    const { result, log } = await carryOut({
      ...given(version('2.0.0'), { environment: { ...environment, prepare } as Deployment['environment'] }),
      limits: { prepareMs: 1000, restartMs: 1000, drainMs: 1000, actMs: 60_000, uploadMs: 60_000 },
    });
    expect(result.outcome, log).toBe('unchanged');
    expect(result.status).toBe('failed');
    expect(result.why).toMatch(/^The command was ended on .*\. It took longer than 1 s\.$/);
    const left = readdirSync('/proc').filter((pid) => {
      try {
        return /^[0-9]+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') === 'sleep\x2c3\0';
      } catch {
        return false;
      }
    });
    expect(left).toEqual([]);
  });

  test('a host that shows another key is told nothing', async () => {
    const pinned = hosts.knownHosts();
    await hosts.hosts[1]?.crash();
    await hosts.hosts[1]?.start();
    const { result } = await carryOut({ ...given(version('2.0.0')), knownHosts: pinned });
    expect(result).toMatchObject({ outcome: 'unchanged', status: 'errored' });
    expect(result.why).toContain('did not show the host key that is pinned for it');
    expect(result.hosts[1]).toMatchObject({ state: 'unknown', locked: false });
    expect(hosts.releases(1)).toEqual([first]);
    const unpinned = await carryOut({ ...given(version('2.0.0')), knownHosts: {} });
    expect(unpinned.result).toMatchObject({ outcome: 'unchanged', status: 'errored' });
  });

  test('an artifact that is not the promised one never gets a name', async () => {
    const artifact = version('2.0.0');
    const other = version('6.6.6');
    const { result } = await carryOut(given({ ...artifact, file: other.file }));
    expect(result).toMatchObject({ outcome: 'unchanged', status: 'errored' });
    expect(result.why).toContain(`instead of ${artifact.sha256}; it is not the artifact`);
    for (const index of [0, 1, 2]) {
      expect(hosts.releases(index)).toEqual([first]);
      expect(readdirSync(hosts.at(index, '.reprise')).sort()).toEqual([`${first}.live`, `${first}.manifest`]);
    }
  });

  test('cancel is heard between the acts, and puts back what was switched', async () => {
    for (const [phase, outcome] of [
      ['lock', 'unchanged'],
      ['prepare', 'unchanged'],
      ['switch', 'undone'],
      ['health', 'undone'],
    ] as const) {
      const cancel = new AbortController();
      const { result, log } = await carryOut(
        given(version('2.0.0')),
        (entry) => {
          if (entry.phase === phase && entry.at === 'after') cancel.abort();
        },
        cancel.signal,
      );
      expect(result, log).toMatchObject({ outcome, status: 'cancelled' });
      for (const index of [0, 1, 2]) {
        expect(hosts.live(index)).toBe(first);
        expect(hosts.releases(index)).toEqual([first]);
        expect(existsSync(hosts.at(index, '.reprise/lock'))).toBe(false);
      }
    }
  });

  test('two at once: one goes, the other is told whose lock it is', async () => {
    let second: Awaited<ReturnType<typeof carryOut>> | null = null;
    const running = given(version('2.0.0'));
    const { result } = await carryOut(running, async ({ phase, at, host }) => {
      if (phase === 'prepare' && at === 'before' && host === hosts.names[2])
        second = await carryOut(given(version('3.0.0')));
    });
    expect(result.outcome).toBe('done');
    const refused = second as unknown as Awaited<ReturnType<typeof carryOut>>;
    expect(refused.result).toMatchObject({ outcome: 'unchanged', status: 'errored' });
    expect(refused.result.why).toContain(`is locked by deployment ${running.id} (by alice, since `);
    expect(refused.result.hosts.map(({ locked }) => locked)).toEqual([false, false, false]);
    for (const index of [0, 1, 2]) expect(hosts.live(index)).toBe(result.release);
  });

  test('a lock of a deployment that ended is not taken over while a command of it still runs', async () => {
    mkdirSync(hosts.at(0, '.reprise'), { recursive: true });
    writeFileSync(hosts.at(0, '.reprise/lock'), 'deployment shop/dead\n');
    writeFileSync(hosts.at(0, '.reprise/command'), `${process.pid}\n`);
    const running = await carryOut(given(version('2.0.0'), { ended: ['shop/dead'] }));
    expect(running.result.why).toContain(`a command that it started still runs as process ${process.pid}`);
    writeFileSync(hosts.at(0, '.reprise/command'), '4194305\n');
    const { result, records } = await carryOut(given(version('2.0.0'), { ended: ['shop/dead'] }));
    expect(result.outcome).toBe('done');
    expect(
      records.find(({ phase, at, host }) => phase === 'lock' && at === 'after' && host === hosts.names[0])
        ?.detail,
    ).toBe('The lock of shop/dead, which has ended, was taken over.');
  });

  test('nothing is done that could not be recorded', async () => {
    let asked = 0;
    const refusing = carryOut(given(version('2.0.0')), ({ phase }) => {
      if (phase !== 'switch') return;
      asked += 1;
      throw new Error('the server is gone');
    });
    await expect(refusing).rejects.toThrow('the server is gone');
    expect(asked).toBe(1);
    for (const index of [0, 1, 2]) {
      expect(hosts.live(index)).toBe(first);
      expect(existsSync(hosts.at(index, '.reprise/lock'))).toBe(true);
    }
  });
});
