import { once } from 'node:events';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { request as ask, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RepriseProcess } from '../rig/process.ts';
import { Rig } from '../rig/reprise.ts';

const SECRET = 'the-secret-that-runners-register-with-01';
const PASSES = 'version: 1\njobs: {test: {runs-on: [own], steps: [{run: "true"}]}}\n';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start({ env: { REPRISE_RUNNER_REGISTRATION: SECRET } });
});
afterAll(() => rig[Symbol.asyncDispose]());

/** Starts a runner that nobody added, in a data directory of this name. */
function start(dir: string, env: Record<string, string> = {}): RepriseProcess {
  return rig.restartRunner(dir, '', {
    env: { REPRISE_RUNNER_REGISTRATION: SECRET, REPRISE_RUNNER_NAME: dir, REPRISE_LABELS: 'own', ...env },
  });
}

const tokenFile = (dir: string) => rig.path(`runner-${dir}`, 'token');

async function names(): Promise<string[]> {
  const { items } = await rig.api<{ items: { name: string }[] }>('GET', '/api/runners');
  return items.map(({ name }) => name);
}

const remove = (name: string) => rig.api('DELETE', `/api/runners/${name}`);

/** Resolves once it has ended by itself and said so. */
async function endsWith(runner: RepriseProcess, why: RegExp): Promise<void> {
  await runner.line(why);
  if (runner.child.exitCode === null) await once(runner.child, 'exit');
  expect(runner.child.exitCode).toBe(1);
}

test('a runner registers once, builds, and is the same after a kill, also without the secret', async () => {
  const first = start('box');
  await first.line(/runner ready/);
  const project = await rig.project('shop', { '.reprise.yml': PASSES });
  const build = await rig.ended('shop', await rig.push(project, project.head));
  expect(build).toMatchObject({ status: 'passed', jobs: [{ runner: 'box' }] });
  await first.kill();
  expect(statSync(tokenFile('box')).mode & 0o777).toBe(0o600);
  const second = start('box', { REPRISE_RUNNER_REGISTRATION: '' });
  await second.line(/runner ready/);
  expect(await names()).toEqual(['box']);
  const told = first.output() + second.output() + rig.server.output();
  expect(told).not.toContain(SECRET);
  expect(told).not.toContain(readFileSync(tokenFile('box'), 'utf8').trim());
  await second.stop();
  await remove('box');
});

test('a runner whose registration is never answered, and that is killed over it, is one runner at last', async () => {
  await using way = await ForgetfulWay.to(rig.address);
  const first = start('box-2', { REPRISE_SERVER: way.address });
  // The second time the server knows it already.
  await way.swallowed(2);
  await first.kill();
  expect(await names()).toEqual(['box-2']);
  const second = start('box-2');
  await second.line(/runner ready/);
  expect(await names()).toEqual(['box-2']);
  await second.stop();
  await remove('box-2');
});

test('a runner that nobody named is called as its host, and another one there not quite', async () => {
  const runners = [start('one', { REPRISE_RUNNER_NAME: '' }), start('other', { REPRISE_RUNNER_NAME: '' })];
  for (const runner of runners) await runner.line(/runner ready/);
  const [one = '', other = '', ...more] = await names();
  expect(more).toEqual([]);
  expect(other).toMatch(new RegExp(`^${one}-[0-9a-f]{6}$`));
  for (const runner of runners) await runner.stop();
  await remove(one);
  await remove(other);
});

test('a runner that was removed ends, says why, and comes as a new one once its token is deleted', async () => {
  const first = start('box-3');
  await first.line(/runner ready/);
  await remove('box-3');
  await endsWith(first, /does not take this runner/);
  await endsWith(start('box-3'), /box-3, was removed by an administrator.+delete the file/);
  rmSync(tokenFile('box-3'));
  const second = start('box-3');
  await second.line(/runner ready/);
  await second.stop();
  expect(await names()).toEqual(['box-3']);
});

test('a runner with another secret, or with a chosen name that is taken, ends and says what to do', async () => {
  const wrong = { REPRISE_RUNNER_REGISTRATION: `${SECRET}x` };
  await endsWith(start('box-4', wrong), /compare REPRISE_RUNNER_REGISTRATION here and there/);
  await rig.api('POST', '/api/runners', { name: 'box-5' });
  await endsWith(start('box-5'), /set another REPRISE_RUNNER_NAME/);
});

test('a runner that gives itself the label deploy is told that it does not have it', async () => {
  const runner = start('box-6', { REPRISE_LABELS: 'own,deploy' });
  expect(await runner.line(/fewer labels/)).toContain('"labels":["own"]');
  await runner.stop();
});

/** A way to a server on which what becomes of a registration is done, and never told. */
class ForgetfulWay implements AsyncDisposable {
  readonly address: string;
  #swallowed = 0;
  #tell: () => void = () => {};
  readonly #close: () => Promise<void>;

  private constructor(address: string, close: () => Promise<void>) {
    this.address = address;
    this.#close = close;
  }

  static async to(target: string): Promise<ForgetfulWay> {
    const http = createServer((request, response) => {
      const { method, headers, url = '' } = request;
      const onward = ask(`${target}${url}`, { method, headers }, (answer) => {
        if (url !== '/api/runner/register') {
          response.writeHead(answer.statusCode ?? 500, answer.headers);
          return void answer.pipe(response);
        }
        answer.resume();
        answer.once('end', () => {
          response.destroy();
          way.#swallowed += 1;
          way.#tell();
        });
      });
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const way = new ForgetfulWay(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    });
    return way;
  }

  /** Resolves once so many answers were lost. */
  swallowed(times: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tell = () => this.#swallowed >= times && resolve();
    this.#tell();
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}
