import { paths } from '@reprise/runner/protocol.ts';
import { probeDue } from '@reprise/server/deployments/probe.ts';
import type { EnvironmentAnswer } from '@reprise/server/environments/environment.api.ts';
import { projectNamed } from '@reprise/server/projects/project.store.ts';
import { loseAttempt } from '@reprise/server/runners/lose.ts';
import { expect, test } from 'vitest';
import { Promotable, seen } from '../../rig/promotable.ts';

const HOSTS = ['deploy@a.example', 'deploy@b.example'];
const KEYS = { keys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGzS0G9iHOwrgOEO7vBhNBLD3Mv2iGpGFYFQzZ5d9cbp'] };
const SHOP = '/api/projects/shop';
const digest = 'd'.repeat(64);

const on = (...hosts: string[]) => ({ staging: { path: '/srv/shop', hosts } });

async function start(): Promise<Promotable> {
  const rig = await Promotable.start(on(...HOSTS));
  await rig.here.admin('PUT', `${SHOP}/secrets/SSH_PRIVATE_KEY?environment=staging`, { generate: 'ssh-key' });
  for (const host of [...HOSTS, 'deploy@c.example'])
    await rig.here.admin('PUT', `${SHOP}/hosts/${host}`, KEYS);
  return rig;
}

const staging = async (rig: Promotable) =>
  (await rig.here.admin<EnvironmentAnswer>('GET', `${SHOP}/environments/staging`)).body;

test('what a deployment lacks is said when it is asked for, and nothing is queued', async () => {
  await using rig = await Promotable.start({
    staging: { path: '/srv/shop', hosts: HOSTS, jump: 'hop@bastion.example', secrets: ['TOKEN'] },
  });
  const build = await rig.build();
  const { status, body } = await rig.ask(build, 'staging');
  expect([status, body.rule]).toEqual([409, 'secrets']);
  expect(body.detail).toContain('needs the secrets TOKEN, SSH_PRIVATE_KEY, which nobody has set');
  expect(body.detail).toContain('keys of the hosts deploy@a.example, deploy@b.example, hop@bastion.example');
  const preview = await rig.here.admin(
    'GET',
    `${SHOP}/promotions/preview?build=${build}&environment=staging`,
  );
  expect(preview.body.objections.map(({ rule }: { rule: string }) => rule)).toEqual(['secrets', 'keys']);
  expect((await rig.here.admin('GET', `${SHOP}/promotions`)).body.items).toEqual([]);
});

test('going back and converging are refused like that too', async () => {
  await using rig = await start();
  for (const build of [await rig.build(), await rig.build()]) await rig.deploy(build, 'staging');
  await rig.here.admin('DELETE', `${SHOP}/hosts/${HOSTS[1]}`);
  const back = await rig.here.admin('POST', `${SHOP}/environments/staging/rollback`, { reason: 'Back' });
  expect(back).toMatchObject({ status: 409, body: { rule: 'keys' } });
  rig.redefine(on(...HOSTS, 'deploy@d.example'));
  const more = await rig.here.admin('POST', `${SHOP}/environments/staging/converge`, { reason: 'More' });
  expect(more.body.detail).toContain('deploy@b.example, deploy@d.example');
});

test('converge brings what is live to a host that is new, and leaves the others alone', async () => {
  await using rig = await start();
  const build = await rig.build();
  const asked = await rig.deploy(build, 'staging');
  const nothing = await rig.here.admin('POST', `${SHOP}/environments/staging/converge`, { reason: 'All?' });
  expect(nothing).toMatchObject({
    status: 409,
    body: { detail: expect.stringContaining('nothing to bring') },
  });
  rig.redefine(on(...HOSTS, 'deploy@c.example'));
  await rig.here.admin('POST', `${SHOP}/environments/staging/converge`, { reason: 'A new one' });
  const work = await rig.take();
  expect(work.deployment).toMatchObject({ only: ['deploy@c.example'], artifact: { build } });
  await rig.end(work);
  const { hosts, live } = await staging(rig);
  expect(hosts.map(({ host, build, reason }) => [host, build, reason])).toEqual([
    ['deploy@a.example', build, 'why not'],
    ['deploy@b.example', build, 'why not'],
    ['deploy@c.example', build, 'A new one'],
  ]);
  expect(live?.id).toBe(asked);
});

test('a host that is no longer of an environment does not count', async () => {
  await using rig = await start();
  const [first, second] = [await rig.build(), await rig.build()];
  await rig.deploy(first, 'staging');
  rig.redefine(on('deploy@a.example'));
  await rig.deploy(second, 'staging');
  expect((await staging(rig)).live).toMatchObject({ build: second });
});

test('a lost deployment is looked for, again where the look is lost too, and then known by its records', async () => {
  await using rig = await start();
  const [first, second] = [await rig.build(), await rig.build()];
  await rig.deploy(first, 'staging');
  await rig.ask(second, 'staging');
  const work = await rig.take();
  const release = '20990101000000';
  const entry = { host: HOSTS[0] ?? '', release, previousRelease: null, detail: null, digest: null };
  const done = { ...entry, at: 'after', outcome: 'done' } as const;
  const records = [
    { ...done, phase: 'prepare', digest },
    { ...entry, phase: 'switch', at: 'before', outcome: null },
  ] as const;
  for (const [index, record] of records.entries()) {
    const body = { number: index + 1, entry: record };
    const { status } = await rig.deployer.json('POST', paths.record(work.attempt), body, { work });
    expect(status).toBeLessThan(300);
  }
  await loseAttempt(rig.here.services, work.attempt, { why: 'gone' });
  expect((await staging(rig)).hosts.map(({ isKnown }) => isKnown)).toEqual([false, false]);
  const look = await rig.take();
  expect(look.deployment?.kind).toBe('probe');
  await loseAttempt(rig.here.services, look.attempt, { why: 'gone' });

  const again = await rig.take();
  const before = again.deployment?.expected[HOSTS[1] ?? '']?.release ?? null;
  await rig.end(again, {
    result: {
      probes: [
        seen(HOSTS[0] ?? '', { state: 'drift', detail: 'Live is another.', current: release, digest }),
        seen(HOSTS[1] ?? '', { current: before, digest }),
      ],
    },
  });
  const { hosts, live } = await staging(rig);
  expect(hosts.map(({ build, isKnown, state }) => [build, isKnown, state])).toEqual([
    [second, true, 'match'],
    [first, true, 'match'],
  ]);
  expect(live).toBeNull();
  const back = await rig.here.admin('POST', `${SHOP}/environments/staging/rollback`, {
    reason: 'Whole again',
  });
  expect(back.body).toMatchObject({ build: first, kind: 'rollback' });
});

test('a look that is lost three times in a row is not repeated', async () => {
  await using rig = await start();
  await rig.deploy(await rig.build(), 'staging');
  await rig.here.admin('POST', `${SHOP}/environments/staging/probe`);
  expect((await rig.here.admin('GET', '/api/queue')).body.items).toMatchObject([{ environment: 'staging' }]);
  for (let times = 0; times < 3; times += 1)
    await loseAttempt(rig.here.services, (await rig.take()).attempt, { why: 'gone' });
  const { items } = (await rig.here.admin('GET', '/api/queue')).body;
  expect(items).toEqual([]);
});

test('hosts are looked at when nobody has for a while, once, and only those of an environment of the file', async () => {
  await using rig = await Promotable.start(
    { staging: { path: '/srv/shop', hosts: ['local'] }, gone: { path: '/srv/gone', hosts: ['local'] } },
    { REPRISE_PROBE_MINUTES: '10' },
  );
  const { services } = rig.here;
  const build = await rig.build();
  for (const environment of ['staging', 'gone']) await rig.deploy(build, environment);
  rig.redefine({ staging: { path: '/srv/shop', hosts: ['local'] } });
  await services.mirrors.fetch(await projectNamed(services.db, 'shop'), { timeoutMs: 10_000 });
  const kinds = async () =>
    (
      await services.db.selectFrom('deployments').select(['environment', 'kind']).orderBy('seq').execute()
    ).slice(2);

  await probeDue(services);
  expect(await kinds()).toEqual([]);
  services.now = () => Date.now() + 10 * 60_000;
  await probeDue(services);
  await probeDue(services);
  expect(await kinds()).toEqual([{ environment: 'staging', kind: 'probe' }]);
  const work = await rig.take();
  expect(work.deployment).toMatchObject({ kind: 'probe' });
  await rig.end(work, { result: { probes: [seen('local', { state: 'drift', detail: 'a file differs' })] } });
  expect((await staging(rig)).hosts).toMatchObject([{ host: 'local', state: 'drift' }]);
  const audit = await rig.here.admin('GET', '/api/audit?action=deployment.start');
  expect(audit.body.items).toEqual([]);
});

test('whoever goes back twice goes back twice', async () => {
  await using rig = await Promotable.start({ staging: { path: '/srv/shop', hosts: ['local'] } });
  const builds = [await rig.build(), await rig.build(), await rig.build()];
  for (const build of builds) await rig.deploy(build, 'staging');
  const back = () => rig.here.admin('POST', `${SHOP}/environments/staging/rollback`, { reason: 'Back' });
  for (const build of [builds[1], builds[0]]) {
    const { body } = await back();
    expect(body).toMatchObject({ kind: 'rollback', build });
    await rig.end(await rig.take());
  }
  expect(await back()).toMatchObject({
    status: 409,
    body: { detail: expect.stringContaining('nothing to go back') },
  });
});
