import { existsSync, mkdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { carryOut, deploymentTo, makeArtifact } from '../../rig/deploy/deployments.ts';
import { tempDir } from '../../rig/temp.ts';

const place = (path: string) => ({ names: ['local'], path, privateKey: '', knownHosts: () => ({}) });

test('local is deployed to below its root, by the same programs', async () => {
  using dir = tempDir();
  let answer = 503;
  let asked = 0;
  const server = createServer((_, response) => {
    asked += 1;
    if (asked > 2) answer = 204;
    response.writeHead(answer).end();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const health = {
    http: `http://127.0.0.1:${(server.address() as AddressInfo).port}/healthz?a=1&b='`,
    run: null,
    timeoutMs: 20_000,
  };
  const restart = 'echo "$HOME|$PATH|$(pwd -P)|$(printenv REPRISE_RUNNER_TOKEN || echo none)" > ../../seen';
  process.env['REPRISE_RUNNER_TOKEN'] = 'canary';
  const path = dir.join('root/shop');
  const given = () =>
    deploymentTo(place(path), makeArtifact(dir.path, {}), {
      sshKey: null,
      localRoot: dir.join('root'),
      environment: { health, restart, shared: ['log/'] },
    });
  const { result, log } = await carryOut(given());
  expect(result, log).toMatchObject({
    outcome: 'done',
    hosts: [{ host: 'local', state: 'new', healthy: true }],
  });
  expect(asked).toBe(3);
  expect(log).toContain('answered 503.');
  expect(readlinkSync(`${path}/current`)).toBe(`${path}/releases/${result.release}`);
  const [, , cwd, token] = readFileSync(`${path}/seen`, 'utf8').trim().split('|');
  expect([cwd, token]).toEqual([`${path}/releases/${result.release}`, 'none']);
  server.close();
  delete process.env['REPRISE_RUNNER_TOKEN'];
});

test('local stays below its root, whatever links lead out of it', async () => {
  using dir = tempDir();
  const artifact = makeArtifact(dir.path, { 'log/x': '' });
  const [root, outside] = [dir.join('root'), dir.join('outside')];
  mkdirSync(root);
  mkdirSync(outside);
  const attempt = async (path: string, localRoot: string | null = root) =>
    (await carryOut(deploymentTo(place(path), artifact, { localRoot, environment: { shared: ['log/'] } })))
      .result;

  expect(await attempt(`${root}/shop`, null)).toMatchObject({
    outcome: 'unchanged',
    why: expect.stringContaining('set REPRISE_LOCAL_DEPLOY_ROOT'),
  });
  expect((await attempt(`${outside}/shop`)).why).toContain('outside of');
  expect((await attempt(`${root}x/shop`)).why).toContain('outside of');
  symlinkSync(outside, `${root}/link`);
  expect((await attempt(`${root}/link/shop`)).why).toContain('outside of');
  for (const part of ['releases', 'shared', '.reprise']) {
    mkdirSync(`${root}/${part}-site`);
    symlinkSync(outside, `${root}/${part}-site/${part}`);
    expect((await attempt(`${root}/${part}-site`)).why).toContain('outside of');
  }
  mkdirSync(`${root}/s/shared`, { recursive: true });
  symlinkSync(outside, `${root}/s/shared/log`);
  expect((await attempt(`${root}/s`)).why).toContain('outside of');
  expect(existsSync(`${outside}/shop`)).toBe(false);
  expect(existsSync(`${root}x`)).toBe(false);
  const { readdirSync } = await import('node:fs');
  expect(readdirSync(outside)).toEqual([]);

  const linked = dir.join('alias');
  symlinkSync(root, linked);
  expect(await attempt(`${linked}/shop`, linked)).toMatchObject({ outcome: 'done' });
});
