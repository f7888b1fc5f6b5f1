import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import type { HostRecord } from '@reprise/runner/deploy/deployment.ts';
import { serverState } from '@reprise/runner/deploy/haproxy.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startDeployer } from '../../rig/deploy/deployer.ts';
import { carryOut, deploymentTo, makeArtifact } from '../../rig/deploy/deployments.ts';
import { isRoot, startHosts, type TestHosts } from '../../rig/deploy/hosts.ts';
import { freePort } from '../../rig/sshd.ts';

/**
 * An application that takes its time, and that nobody may end while it answers. What restarts it waits until the old one is gone, as
 * any init does: else that one would still be found healthy.
 */
const SERVER = `
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
const version = readFileSync(new URL('./COMPLETE', import.meta.url), 'utf8');
createServer((request, response) => setTimeout(() => response.end(version), request.url === '/' ? 60 : 0))
  .listen(Number(process.argv[2]), '127.0.0.1');
`;

const RESTART = `#!/bin/sh
shared=$REPRISE_DEPLOY_PATH/shared
if old=$(cat "$shared/pid" 2>/dev/null) && kill "$old" 2>/dev/null; then
  while readlink "/proc/$old/exe" >/dev/null; do sleep 0.01; done
fi
nohup "$NODE" server.mjs "$(cat "$shared/port")" >/dev/null 2>&1 </dev/null &
echo $! > "$shared/pid"
`;

describe.skipIf(!isRoot)('three servers behind the real HAProxy (as root)', () => {
  let hosts: TestHosts;
  let haproxy: ChildProcess;
  let front: number;
  let sockets: string[];

  beforeEach(async () => {
    hosts = await startHosts();
    const ports: number[] = [];
    for (const index of hosts.names.keys()) {
      const port = await freePort();
      ports.push(port);
      mkdirSync(hosts.at(index, 'shared'), { recursive: true });
      writeFileSync(hosts.at(index, 'shared/port'), `${port}`);
    }
    front = await freePort();
    const admin = await freePort();
    sockets = [`${hosts.dir}/admin.sock`, `tcp://127.0.0.1:${admin}`];
    const config = [
      'global',
      `  stats socket ${sockets[0]} level admin`,
      `  stats socket ipv4@127.0.0.1:${admin} level admin`,
      'defaults',
      '  mode http',
      '  timeout connect 2s',
      '  timeout client 20s',
      '  timeout server 20s',
      'frontend shop',
      `  bind 127.0.0.1:${front}`,
      '  default_backend shop',
      'backend shop',
      '  option httpchk GET /healthz',
      '  default-server inter 100ms rise 2 fall 3',
      ...ports.map((port, index) => `  server web-${index + 1} 127.0.0.1:${port} check`),
    ];
    writeFileSync(`${hosts.dir}/haproxy.cfg`, `${config.join('\n')}\n`);
    haproxy = spawn('haproxy', ['-q', '-db', '-f', `${hosts.dir}/haproxy.cfg`], { stdio: 'ignore' });
  });
  afterEach(async () => {
    haproxy.kill('SIGKILL');
    await once(haproxy, 'exit');
    for (const index of hosts.names.keys())
      process.kill(Number(readFileSync(hosts.at(index, 'shared/pid'), 'utf8')));
    await hosts[Symbol.asyncDispose]();
  });

  const given = (version: string, o: Parameters<typeof deploymentTo>[2] = {}, files = {}) => {
    const artifact = makeArtifact(
      hosts.dir,
      { 'server.mjs': SERVER, 'restart*': RESTART, ...files },
      { version },
    );
    const run =
      'test ! -e BAD && curl -fs "http://127.0.0.1:$(cat "$REPRISE_DEPLOY_PATH/shared/port")/healthz" >/dev/null';
    return deploymentTo(hosts, artifact, {
      env: { NODE: process.execPath },
      ...o,
      environment: {
        batch: 1,
        restart: './restart',
        health: { http: null, run, timeoutMs: o.kind === undefined ? 15_000 : 15_000 },
        haproxy: { sockets, backend: 'shop', server: 'web-{number}' },
        ...o.environment,
      },
    });
  };

  /** Without HAProxy's count of looks: "UP 2/3" is up, one of its looks having met the restart. */
  const statusOf = async (index: number) => {
    const server = { socket: sockets[0] ?? '', backend: 'shop', server: `web-${index + 1}` };
    return (await serverState(server)).status.replace(/ \d+\/\d+$/, '');
  };

  test('no request of a client fails through a rolling deployment, an undo and a rollback', async () => {
    const first = await carryOut(given('1.0.0', { environment: { batch: null } }));
    expect(first.result, first.log).toMatchObject({ outcome: 'done' });
    const client = startClient(front);
    const second = await carryOut(given('2.0.0'));
    expect(second.result, second.log).toMatchObject({ outcome: 'done' });
    const health = { http: null, run: 'test ! -e BAD', timeoutMs: 500 };
    const third = await carryOut(given('3.0.0', { environment: { health } }, { BAD: '' }));
    expect(third.result, third.log).toMatchObject({ outcome: 'undone', status: 'failed' });
    const digests = Object.fromEntries(first.result.hosts.map(({ host, digest }) => [host, digest ?? '']));
    const back = await carryOut(
      given('1.0.0', { kind: 'rollback', rollbackTo: { release: first.result.release, digests } }),
    );
    expect(back.result, back.log).toMatchObject({
      outcome: 'done',
      release: first.result.release,
      redeployed: false,
    });
    const { answers, failures } = await client.stop();
    expect(failures).toEqual([]);
    expect([...new Set(answers)]).toEqual(expect.arrayContaining(['1.0.0', '2.0.0']));
    expect(answers).not.toContain('3.0.0');
    expect(answers.at(-1)).toBe('1.0.0');
    expect(answers.length).toBeGreaterThan(100);
  });

  test('what somebody has taken out stays out, and what a killed deployment took out comes back', async () => {
    expect((await carryOut(given('1.0.0', { environment: { batch: null } }))).result.outcome).toBe('done');
    const { connect } = await import('node:net');
    await once(
      connect(sockets[0] ?? '')
        .end('set server shop/web-1 state maint\n')
        .resume(),
      'close',
    );
    // As a deployment leaves it that is killed while the host is out.
    await once(
      connect(sockets[0] ?? '')
        .end('set server shop/web-2 state drain\n')
        .resume(),
      'close',
    );
    writeFileSync(hosts.at(1, '.reprise/drained'), 'shop/dead\n');
    const { result, log } = await carryOut(given('2.0.0'));
    expect(result, log).toMatchObject({ outcome: 'done' });
    expect(await Promise.all([0, 1, 2].map(statusOf))).toEqual(['MAINT', 'UP', 'UP']);
  });

  test('whatever ends while a host is being taken out or put back, the next deployment puts it back', {
    timeout: 240_000,
  }, async () => {
    expect((await carryOut(given('1.0.0', { environment: { batch: null } }))).result.outcome).toBe('done');
    const states = () => Promise.all([0, 1, 2].map(statusOf));
    const steps = new Set<string>();
    for (const phase of ['drain', 'ready'] as const) {
      for (const at of ['before', 'after'] as const) {
        const isIt = (entry: HostRecord) =>
          entry.phase === phase && entry.at === at && entry.host === hosts.names[1];
        const killed = given('2.0.0');
        const deployer = startDeployer(killed, (entry, child) => {
          if (isIt(entry)) steps.add(`killed ${phase} ${at}`);
          return isIt(entry) ? !child.kill('SIGKILL') : true;
        });
        expect((await deployer.end()).result).toBeNull();
        const left = hosts.live(1);
        let ended = [killed.id];
        if (at === 'before') {
          const dies = given('3.0.0', { ended });
          ended = [killed.id, dies.id];
          const { result } = await carryOut(dies, async (entry) => {
            if (!isIt(entry) || steps.has(`died ${phase}`)) return;
            steps.add(`died ${phase}`);
            await hosts.hosts[1]?.crash();
          });
          expect(result.status).toBe('errored');
          expect(result.hosts[1]).toMatchObject({ state: 'unknown', current: null });
          expect(hosts.live(1)).toBe(phase === 'ready' ? result.release : left);
          await hosts.hosts[1]?.start();
        }
        const last = await carryOut(given('4.0.0', { ended, environment: { batch: null } }));
        expect(last.result, last.log).toMatchObject({ outcome: 'done' });
        expect(await states()).toEqual(['UP', 'UP', 'UP']);
      }
    }
    expect(steps.size).toBe(6);
  });

  test('a server that HAProxy does not know, or no HAProxy at all, ends it before anything is switched', async () => {
    expect((await carryOut(given('1.0.0', { environment: { batch: null } }))).result.outcome).toBe('done');
    for (const [unknown, why] of [
      [{ sockets, backend: 'shop', server: 'db-{number}' }, 'has no server db-1 in shop'],
      [{ sockets: [`${hosts.dir}/none.sock`], backend: 'shop', server: 'web-{number}' }, 'cannot be asked'],
    ] as const) {
      const { result } = await carryOut(
        given('2.0.0', { environment: { haproxy: { ...unknown, sockets: [...unknown.sockets] } } }),
      );
      expect(result).toMatchObject({
        outcome: 'unchanged',
        status: 'errored',
        why: expect.stringContaining(why),
      });
    }
  });
});

/** Asks fifty times a second, each time over a new connection. */
function startClient(port: number) {
  const answers: string[] = [];
  const failures: string[] = [];
  const under = new Set<Promise<void>>();
  const agent = new Agent({ keepAlive: false });
  const ask = () => {
    const asked = new Promise<void>((resolve) => {
      get({ host: '127.0.0.1', port, path: '/', agent }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (more) => {
          text += more;
        });
        response.on('end', () => {
          if (response.statusCode === 200) answers.push(text);
          else failures.push(`${response.statusCode}`);
          resolve();
        });
      }).on('error', (error) => {
        failures.push(error.message);
        resolve();
      });
    });
    under.add(asked);
    void asked.then(() => under.delete(asked));
  };
  const timer = setInterval(ask, 20);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(under);
      return { answers, failures };
    },
  };
}
