import { newId } from '@reprise/server/db/id.ts';
import { Refusal } from '@reprise/server/http/refusal.ts';
import { Sweep, sweep } from '@reprise/server/queue/sweep.ts';
import { expect, test } from 'vitest';
import { PuppetRunner, sha256, stepState } from '../../rig/puppet-runner.ts';
import { QueueServer } from '../../rig/queue-server.ts';
import { tempDir } from '../../rig/temp.ts';

test('a job whose lease expires is claimed again, and the first attempt stays as it was', async () => {
  await using server = await QueueServer.start();
  const [lost, other] = [await PuppetRunner.connect(server), await PuppetRunner.connect(server)];
  const number = await server.build({ name: 'test' });
  const first = await lost.take();
  await lost.log(first, 0, 'as far as it came');
  await lost.progress(first, [stepState('true', { status: 'running' })]);

  await expire(server);
  const second = await other.take();
  expect(second.attemptNumber).toBe(2);
  expect((await other.finish(second)).status).toBe(200);
  const { build, attempts } = await server.state(number);
  expect(build.status).toBe('passed');
  expect(attempts).toMatchObject([
    { status: 'errored', log_size: 17, log_sha256: sha256('as far as it came') },
    { status: 'passed' },
  ]);
  const steps = await server.services.db
    .selectFrom('steps')
    .selectAll()
    .where('attempt_id', '=', first.attempt)
    .execute();
  expect(steps).toMatchObject([{ status: 'errored' }]);
});

test('the sweep ends an expired lease by itself', async () => {
  await using server = await QueueServer.start({ timeScale: 500 });
  const runner = await PuppetRunner.connect(server);
  await server.build({ name: 'test' });
  await runner.take();
  await expect.poll(async () => (await runner.claim()).body?.attemptNumber).toBe(2);
});

test('an attempt whose log cannot be read is ended all the same', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  await runner.take();
  server.services.logs.seal = () => Promise.reject(new Refusal(507, 'disk-full', 'The disk is full.'));
  await expire(server);
  expect((await server.state(number)).attempts).toMatchObject([{ status: 'errored', log_sha256: null }]);
});

test('a renewed lease does not expire', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  const work = await runner.take();
  for (let renewals = 0; renewals < 3; renewals += 1) {
    server.clock.advance(server.services.config.times.reassignMs - 1000);
    expect(await runner.renew([work])).toEqual({ status: 200, body: { cancel: [], revoked: [] } });
    await sweep(server.services);
  }
  expect((await server.state(number)).attempts).toMatchObject([{ status: 'running' }]);
});

test.each([3_600_000, -600_000])('no lease ends because the clock was set by %i ms', async (ms) => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  await server.build({ name: 'test' });
  const work = await runner.take();
  const sweeping = new Sweep(server.services);
  server.clock.advance(ms);
  await sweeping.start();
  const { attempts } = await server.state(1);
  const { reassignMs } = server.services.config.times;
  expect(attempts).toMatchObject([{ status: 'running' }]);
  expect(Math.abs((attempts[0]?.lease_expires_at ?? 0) - server.clock() - reassignMs)).toBeLessThan(5000);
  expect((await runner.finish(work)).status).toBe(200);
});

test('every write of a runner that was given up is refused, and the second result stands', async () => {
  await using server = await QueueServer.start();
  const zombie = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  const old = await zombie.take();
  await zombie.log(old, 0, 'before');
  await expire(server);
  const other = await PuppetRunner.connect(server);
  const work = await other.take();
  const writes = await Promise.all([
    zombie.log(old, 6, 'after'),
    zombie.progress(old, [stepState('true')]),
    zombie.putBlob(old, 'bytes'),
    zombie.finish(old),
  ]);
  for (const answer of writes) expect(answer).toMatchObject({ status: 409, body: { code: 'stale-fence' } });
  expect(await zombie.renew([old])).toMatchObject({ body: { revoked: [old.attempt] } });
  expect((await other.finish(work, { status: 'failed', why: 'said no' })).status).toBe(200);
  expect(await server.services.logs.size(old.attempt)).toBe(6);
  expect((await server.state(number)).build).toMatchObject({
    status: 'failed',
    why: 'job test failed: said no',
  });
});

test('a job that loses its runner twice is given up, and others go on', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const poison = await server.build({ name: 'poison' }, { name: 'behind', needs: ['poison'] });
  const healthy = await server.build({ name: 'healthy' });
  await runner.take();
  await expire(server);
  expect((await runner.take()).attemptNumber).toBe(2);
  await expire(server);
  const { build, jobs } = await server.state(poison);
  expect(jobs).toMatchObject([
    { status: 'errored', attempt: 2 },
    { status: 'skipped', why: 'poison errored' },
  ]);
  expect(build).toMatchObject({
    status: 'errored',
    why: expect.stringContaining('attempt 2 ended early too'),
  });
  const work = await runner.take();
  expect(work.job.name).toBe('healthy');
  await runner.finish(work);
  expect((await server.state(healthy)).build.status).toBe('passed');
});

test('an instance that comes back without an attempt ends it at once', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  await runner.take();
  const reborn = runner.twin({ sameInstance: true });
  await reborn.hello();
  await reborn.renew([]);
  expect((await reborn.take()).attemptNumber).toBe(2);
  expect((await server.state(number)).attempts).toMatchObject([{ status: 'errored' }, { status: 'running' }]);
});

test('an attempt whose claim is still on its way to the runner is not taken for lost', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  const claimId = newId();
  await runner.take(claimId);
  await runner.renew([], { claiming: [claimId] });
  expect((await server.state(number)).attempts).toMatchObject([{ status: 'running' }]);
});

test('what an instance held stays its own when another takes its place, until the lease ends', async () => {
  await using server = await QueueServer.start();
  const before = await PuppetRunner.connect(server);
  await server.build({ name: 'one' });
  const work = await before.take();
  server.clock.advance(server.services.config.times.renewMs * 2 + 1);
  const after = before.twin({ sameInstance: false });
  await after.hello();
  await after.renew([]);
  expect((await before.finish(work)).status).toBe(200);
});

test('a cancelled attempt is heard of at once through a standing renewal, and told at once only once', async () => {
  await using server = await QueueServer.start({ timeScale: 10 });
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  const work = await runner.take();
  const standing = runner.renew([work], { immediate: false });
  await expect.poll(() => server.isStanding(runner.name)).toBe(true);
  const asked = performance.now();
  await server.cancel(number);
  expect(await standing).toMatchObject({ body: { cancel: [work.attempt], revoked: [] } });
  expect(performance.now() - asked).toBeLessThan(server.services.config.times.renewMs / 2);

  const again = performance.now();
  expect(await runner.renew([work], { immediate: false })).toMatchObject({
    body: { cancel: [work.attempt] },
  });
  expect(performance.now() - again).toBeGreaterThan(server.services.config.times.renewMs / 2);
  expect((await runner.finish(work, { status: 'cancelled' })).status).toBe(200);
  expect((await server.state(number)).build.status).toBe('cancelled');
});

test('a cancel that the runner could not hear is there at its next contact', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  const work = await runner.take();
  await server.cancel(number);
  expect(await runner.renew([work])).toMatchObject({ body: { cancel: [work.attempt] } });
});

test('a cancelled attempt whose runner is lost is cancelled, not tried again', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  await runner.take();
  await server.cancel(number);
  await expire(server);
  const { build, jobs, attempts } = await server.state(number);
  expect([build.status, jobs[0]?.status, attempts[0]?.status]).toEqual([
    'cancelled',
    'cancelled',
    'cancelled',
  ]);
});

test('an attempt that its runner could not execute is tried once more', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  for (const attempt of [1, 2]) {
    const work = await runner.take();
    expect(work.attemptNumber).toBe(attempt);
    await runner.finish(work, { status: 'errored', why: 'the disk is full' });
  }
  expect((await server.state(number)).build).toMatchObject({
    status: 'errored',
    why: 'job test errored: attempt 2 ended early too: the disk is full',
  });
});

test('a failed job is tried again as often as its file says', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'flaky', retry: 1 });
  await runner.finish(await runner.take(), { status: 'failed', why: 'step 1 exited with code 1' });
  const again = await runner.take();
  expect(again.attemptNumber).toBe(2);
  await runner.finish(again, { status: 'failed', why: 'step 1 exited with code 2' });
  expect((await server.state(number)).build).toMatchObject({
    status: 'failed',
    why: 'job flaky failed: step 1 exited with code 2',
  });
});

test('a server that starts again gives running attempts a whole lease', async () => {
  using dir = tempDir();
  const before = await QueueServer.start({ dataDir: dir.path });
  const runner = await PuppetRunner.connect(before);
  const number = await before.build({ name: 'test' });
  const work = await runner.take();
  await before.services.db.updateTable('attempts').set({ lease_expires_at: 1 }).execute();
  await before[Symbol.asyncDispose]();

  await using after = await QueueServer.start({ dataDir: dir.path });
  await sweep(after.services);
  expect((await runner.at(after).finish(work)).status).toBe(200);
  expect((await after.state(number)).attempts).toMatchObject([{ status: 'passed' }]);
});

test('removing a runner ends its token, and what it executed is tried elsewhere at once', async () => {
  await using server = await QueueServer.start();
  const [removed, other] = [await PuppetRunner.connect(server), await PuppetRunner.connect(server)];
  const number = await server.build({ name: 'test' });
  const work = await removed.take();
  expect((await server.admin('DELETE', `/api/runners/${removed.name}`)).status).toBe(204);
  expect((await removed.finish(work)).status).toBe(401);
  expect((await other.take()).attemptNumber).toBe(2);
  expect((await server.state(number)).attempts[0]).toMatchObject({
    status: 'errored',
    why: `runner ${removed.name} was removed`,
    runner_name: removed.name,
  });
});

async function expire(server: QueueServer): Promise<void> {
  server.clock.advance(server.services.config.times.reassignMs + 1);
  await sweep(server.services);
}
