import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { DeployResult } from '@reprise/runner/deploy/deployment.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDeployer } from '../../rig/deploy/deployer.ts';
import { carryOut, deploymentTo, makeArtifact } from '../../rig/deploy/deployments.ts';
import { isRoot, startHosts, type TestHosts } from '../../rig/deploy/hosts.ts';

describe.skipIf(!isRoot)('the process that deploys (as root)', () => {
  let hosts: TestHosts;
  let first: string;
  const environment = {
    batch: 1,
    prepare: [{ run: 'true', on: 'all' as const }],
    restart: 'true',
    health: { http: null, run: 'test ! -e UNHEALTHY || test ! -e ../../shared/sick', timeoutMs: 1 },
  };
  beforeAll(async () => {
    hosts = await startHosts();
    const { result, log } = await carryOut(deploymentTo(hosts, makeArtifact(hosts.dir, {}), { environment }));
    expect(result.outcome, log).toBe('done');
    first = result.release;
    writeFileSync(hosts.at(1, 'shared/sick'), '');
  });
  afterAll(() => hosts[Symbol.asyncDispose]());

  test('carries out one assignment, masks what is secret, and leaves nothing behind', async () => {
    const secrets = { TOKEN: 'correct horse battery staple' };
    const prepare = [
      { run: 'echo "token $TOKEN"; echo "$TOKEN" | base64; echo "$TOKEN" > token', on: 'all' as const },
    ];
    const artifact = makeArtifact(hosts.dir, {}, { version: '1.1.0' });
    const given = deploymentTo(hosts, artifact, { environment: { ...environment, prepare }, secrets });
    let sampled = '';
    const deployer = startDeployer(given, () => {
      sampled += commandLines();
      return true;
    });
    const { code, result, log, errors } = await deployer.end();
    expect({ code, errors, outcome: (result as DeployResult | null)?.outcome }, log).toEqual({
      code: 0,
      errors: '',
      outcome: 'done',
    });
    expect(log).toContain('| token ***\n');
    for (const text of [log, sampled, JSON.stringify(deployer.records)]) {
      expect(text).not.toContain(secrets.TOKEN);
      expect(text).not.toContain(Buffer.from(secrets.TOKEN).toString('base64').slice(0, 30));
      expect(text).not.toContain('PRIVATE KEY');
    }
    expect(sampled).toContain('ControlMaster=yes');
    expect(leftovers(deployer.child.pid)).toEqual([]);
    first = (result as unknown as DeployResult).release;
  });

  test('does not act on a host before its record is acknowledged', async () => {
    const given = deploymentTo(hosts, makeArtifact(hosts.dir, {}, { version: '1.2.0' }), { environment });
    const asked = Promise.withResolvers<void>();
    const deployer = startDeployer(given, ({ phase, at, host }) => {
      if (phase !== 'switch') return true;
      expect([at, host]).toEqual(['before', hosts.names[0]]);
      asked.resolve();
      return false;
    });
    await asked.promise;
    expect(hosts.live(0)).toBe(first);
    deployer.child.stdin?.end();
    expect((await deployer.end()).code).toBe(1);
    expect(hosts.live(0)).toBe(first);
    expect(leftovers(deployer.child.pid)).toEqual([]);
    const next = await carryOut(
      deploymentTo(hosts, makeArtifact(hosts.dir, {}, { version: '1.2.1' }), {
        environment,
        ended: [given.id],
      }),
    );
    expect(next.result.outcome, next.log).toBe('done');
    first = next.result.release;
  });

  test('killed at any step, it leaves whole releases, a lock that names it, and hosts that tell the truth', {
    timeout: 400_000,
  }, async () => {
    const steps = new Set<string>();
    const targets = ['lock', 'prepare', 'switch', 'restart', 'health', 'undo', 'finish', 'unlock'] as const;
    for (const target of targets) {
      for (const at of ['before', 'after'] as const) {
        // Only what is not healthy is undone.
        const files: Record<string, string> = target === 'undo' ? { UNHEALTHY: '' } : {};
        const artifact = makeArtifact(hosts.dir, files, { version: '2.0.0' });
        const given = deploymentTo(hosts, artifact, { environment });
        const deployer = startDeployer(given, (entry, child) => {
          const isIt = entry.phase === target && entry.at === at && entry.host === hosts.names[1];
          if (isIt) {
            steps.add(`${target} ${at}`);
            child.kill('SIGKILL');
          }
          return true;
        });
        const { result } = await deployer.end();
        expect(result).toBeNull();
        const lives = [0, 1, 2].map((index) => hosts.live(index));
        const of = (phase: string, outcome: string | null) =>
          deployer.records.filter((entry) => entry.phase === phase && entry.outcome === outcome);
        const undoing = of('undo', null).map(({ host }) => host);
        for (const { host, release } of of('switch', 'done'))
          if (!undoing.includes(host)) expect(lives[hosts.names.indexOf(host)]).toBe(release);
        for (const { host, previousRelease } of of('undo', 'done'))
          expect(lives[hosts.names.indexOf(host)]).toBe(previousRelease);
        const probed = await carryOut(deploymentTo(hosts, null, { kind: 'probe', environment }));
        expect(probed.result.probes.map(({ current, state }) => [current, state])).toEqual(
          lives.map((live) => [live, 'match']),
        );
        const locks = probed.result.probes.map(({ lock }) => lock !== null);
        for (const index of locks.keys())
          expect(existsSync(hosts.at(index, '.reprise/lock'))).toBe(locks[index]);

        const refused = await carryOut(deploymentTo(hosts, makeArtifact(hosts.dir, {}), { environment }));
        expect(refused.result.outcome === 'done').toBe(!locks.includes(true));
        if (locks.includes(true)) expect(refused.result.why).toContain(`is locked by deployment ${given.id}`);
        const next = await carryOut(
          deploymentTo(hosts, makeArtifact(hosts.dir, {}, { version: '3.0.0' }), {
            environment,
            ended: [given.id],
          }),
        );
        expect(next.result.outcome, next.log).toBe('done');
        for (const index of [0, 1, 2]) expect(hosts.live(index)).toBe(next.result.release);
        expect(leftovers(deployer.child.pid)).toEqual([]);
      }
    }
    expect(steps.size).toBe(16);
  });

  test('is cancelled by a line', async () => {
    const before = hosts.live(0);
    const given = deploymentTo(hosts, makeArtifact(hosts.dir, {}, { version: '4.0.0' }), { environment });
    const deployer = startDeployer(given, ({ phase }) => {
      if (phase === 'switch') deployer.tell({ type: 'cancel' });
      return true;
    });
    const { code, result } = await deployer.end();
    expect(code).toBe(0);
    expect(result).toMatchObject({ outcome: 'undone', status: 'cancelled' });
    expect(hosts.live(0)).toBe(before);
  });

  test('does not understand everything, and says so without repeating it', async () => {
    const given = { ...deploymentTo(hosts, null), id: 'a\nb' };
    const { code, fault } = await startDeployer(given, () => true).end();
    expect(code).toBe(1);
    expect(fault).toContain('What was said is not understood');
    expect(fault).not.toContain('PRIVATE KEY');
  });
});

/** The words of all processes, in which no secret may stand. */
function commandLines(): string {
  return processes()
    .map(({ words }) => words)
    .join('\n');
}

/** Private files of a process, and connections that it made. */
function leftovers(pid: number | undefined): string[] {
  const files = readdirSync('/dev/shm').filter((name) => name.includes(`-${pid}-`));
  const ssh = processes().filter(({ words }) => words.startsWith('ssh\0') && words.includes(`-${pid}-`));
  return [...files, ...ssh.map(({ words }) => words)];
}

function processes(): { words: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      return /^[0-9]+$/.test(name) ? [{ words: readFileSync(`/proc/${name}/cmdline`, 'utf8') }] : [];
    } catch {
      return [];
    }
  });
}
