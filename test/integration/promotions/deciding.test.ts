import { expect, test } from 'vitest';
import { signIn } from '../../rig/accounts.ts';
import { Promotable } from '../../rig/promotable.ts';

const SHOP = '/api/projects/shop';
const local = (name: string, more: object = {}) => ({
  [name]: { path: `/srv/${name}`, hosts: ['local'], ...more },
});

test('whoever may not approve any more has not approved', async () => {
  await using rig = await Promotable.start(local('production', { approvals: 2 }));
  const [bob, eve, ian] = [
    await signIn(rig.here, { login: 'bob', role: 'deployer' }),
    await signIn(rig.here, { login: 'eve', role: 'deployer' }),
    await signIn(rig.here, { login: 'ian', role: 'deployer' }),
  ];
  const { body } = await rig.ask(await rig.build(), 'production');
  const path = `${SHOP}/promotions/${body.id}/approve`;
  await eve.call('POST', path, {});
  await rig.here.admin('PATCH', '/api/users/eve', { disabled: true });
  await bob.call('POST', path, {});
  expect(await rig.promotion(body.id)).toMatchObject({ state: 'waiting', why: 'waits for one approval' });
  await ian.call('POST', path, {});
  expect(await rig.promotion(body.id)).toMatchObject({ state: 'approved' });
});

test('an approval whose giver lost the role while the promotion stood in line is void', async () => {
  await using rig = await Promotable.start(local('production', { approvals: 1 }));
  const bob = await signIn(rig.here, { login: 'bob', role: 'deployer' });
  const build = await rig.build();
  const [first, second] = [await rig.ask(build, 'production'), await rig.ask(build, 'production')];
  for (const { body } of [first, second]) await bob.call('POST', `${SHOP}/promotions/${body.id}/approve`, {});
  await rig.here.admin('PATCH', '/api/users/bob', { role: 'developer' });
  await rig.end(await rig.take());
  expect(await rig.promotion(second.body.id)).toMatchObject({
    state: 'void',
    why: expect.stringContaining('may not approve what goes to production any more'),
  });
});

test('rules hold when it is approved, not only when it was asked for', async () => {
  const places = { ...local('staging'), ...local('production', { approvals: 1, requires: ['staging'] }) };
  await using rig = await Promotable.start(places);
  const bob = await signIn(rig.here, { login: 'bob', role: 'deployer' });
  const [first, second] = [await rig.build(), await rig.build()];
  await rig.deploy(first, 'staging');
  const { body } = await rig.ask(first, 'production');
  await rig.deploy(second, 'staging');
  const path = `${SHOP}/promotions/${body.id}/approve`;
  expect(await bob.call('POST', path, {})).toMatchObject({ status: 409, body: { rule: 'requires' } });
  expect(await rig.promotion(body.id)).toMatchObject({ state: 'waiting', approvals: [] });
  await rig.deploy(first, 'staging');
  expect(await bob.call('POST', path, {})).toMatchObject({ status: 200, body: { state: 'approved' } });
});

test('what has become older while it waited is refused, unless it was asked for as that', async () => {
  const production = local('production', { approvals: 1 });
  await using rig = await Promotable.start(production);
  const bob = await signIn(rig.here, { login: 'bob', role: 'deployer' });
  const approve = (id: string) => bob.call('POST', `${SHOP}/promotions/${id}/approve`, {});
  const next = rig.redefine(production);
  const [older, newer] = [await rig.build(), await rig.build(next)];
  const first = await rig.ask(older, 'production', { confirmOlder: false });
  const meant = await rig.ask(older, 'production', { confirmOlder: true });
  const overtaking = await rig.ask(newer, 'production', { confirmOlder: false });
  await approve(overtaking.body.id);
  await rig.end(await rig.take());
  expect(await approve(first.body.id)).toMatchObject({ status: 409, body: { rule: 'older' } });
  expect(await approve(meant.body.id)).toMatchObject({ status: 200, body: { state: 'approved' } });
});

test('a replayed approval is refused after the file or the policy has changed, and after the decision', async () => {
  await using rig = await Promotable.start(local('production', { approvals: 1 }));
  const bob = await signIn(rig.here, { login: 'bob', role: 'deployer' });
  const build = await rig.build();
  const changed = await rig.ask(build, 'production');
  rig.redefine(local('production', { approvals: 1, restart: 'touch /tmp/other' }));
  const path = (id: string) => `${SHOP}/promotions/${id}/approve`;
  expect(await bob.call('POST', path(changed.body.id), {})).toMatchObject({ status: 409 });
  expect(await rig.promotion(changed.body.id)).toMatchObject({ state: 'void' });
  expect(await bob.call('POST', path(changed.body.id), {})).toMatchObject({ status: 409 });

  const floor = await rig.ask(build, 'production');
  await rig.here.admin('PUT', `${SHOP}/policy/production`, { approvals: 2 });
  expect(await bob.call('POST', path(floor.body.id), {})).toMatchObject({ status: 409 });
  expect(await rig.promotion(floor.body.id)).toMatchObject({ state: 'void' });
  expect((await rig.here.admin('GET', `${SHOP}/deployments`)).body.items).toEqual([]);
});

test('what is cancelled while it waits for a runner is never begun, and the next goes on', async () => {
  await using rig = await Promotable.start(local('staging'));
  const build = await rig.build();
  const [first, second] = [await rig.ask(build, 'staging'), await rig.ask(build, 'staging')];
  const cancelled = await rig.here.admin('POST', `${SHOP}/promotions/${first.body.id}/cancel`, {
    reason: 'No',
  });
  expect(cancelled.body).toMatchObject({
    state: 'done',
    deployment: { status: 'cancelled', startedAt: null },
  });
  const work = await rig.take();
  expect(work.deployment?.id).toBe((await rig.promotion(second.body.id)).deployment?.id);
  await rig.end(work);
  expect(await rig.promotion(second.body.id)).toMatchObject({
    state: 'done',
    deployment: { status: 'passed' },
  });
  const late = await rig.here.admin('POST', `${SHOP}/promotions/${second.body.id}/cancel`, {});
  expect(late.status).toBe(409);
});

test('a look at the hosts is not what cancelling a decided promotion cancels', async () => {
  await using rig = await Promotable.start(local('staging'));
  const id = await rig.deploy(await rig.build(), 'staging');
  await rig.here.admin('POST', `${SHOP}/environments/staging/probe`);
  expect((await rig.here.admin('POST', `${SHOP}/promotions/${id}/cancel`, {})).status).toBe(409);
  expect((await rig.take()).deployment?.kind).toBe('probe');
});
