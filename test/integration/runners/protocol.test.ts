import { newId } from '@reprise/server/db/id.ts';
import { expect, test } from 'vitest';
import { finishOf, PuppetRunner, packed, sha256, stepState } from '../../rig/puppet-runner.ts';
import { QueueServer } from '../../rig/queue-server.ts';

test('a job is claimed, logged, reported and finished, and its build passes', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  const work = await runner.take();
  expect(work).toMatchObject({
    project: 'app',
    build: number,
    attemptNumber: 1,
    version: '1.2.3',
    keepRef: `refs/reprise/keep/${'c0ffee'.padEnd(40, '0')}`,
    env: { CI: 'true', REPRISE_JOB: 'test', REPRISE_BRANCH: 'main', REPRISE_TAG: '', TZ: 'UTC' },
  });
  expect(work.env['REPRISE_BUILD_URL']).toBe(`${server.address}/projects/app/builds/${number}`);

  expect(await runner.log(work, 0, 'hello ')).toEqual({ status: 200, body: { size: 6 } });
  expect(await runner.log(work, 6, 'world\n')).toEqual({ status: 200, body: { size: 12 } });
  const steps = [stepState('true', { status: 'running', startedMs: 3, logOffset: 6 })];
  expect((await runner.progress(work, steps)).status).toBe(204);
  const done = [
    stepState('true', { status: 'passed', exitCode: 0, startedMs: 3, finishedMs: 4, logOffset: 6 }),
  ];
  const finished = await runner.finish(work, {
    steps: done,
    logSize: 12,
    logSha256: sha256('hello world\n'),
  });
  expect(finished.status).toBe(200);

  const { build, jobs, attempts } = await server.state(number);
  expect(build).toMatchObject({ status: 'passed', why: '' });
  expect(build.started_at).toBeLessThanOrEqual(build.finished_at ?? 0);
  expect(jobs).toMatchObject([{ status: 'passed', attempt: 1 }]);
  expect(attempts).toMatchObject([{ status: 'passed', log_size: 12 }]);
});

test('of a result sent twice the second is accepted and changes nothing; another result is refused', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  const work = await runner.take();
  expect((await runner.finish(work)).status).toBe(200);
  const before = await server.state(number);
  expect((await runner.finish(work)).status).toBe(200);
  expect(await runner.finish(work, { status: 'failed' })).toMatchObject({
    status: 409,
    body: { code: 'stale-fence' },
  });
  expect(await server.state(number)).toEqual(before);
});

test('the same result sent many times at once is one result', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  const work = await runner.take();
  const answers = await Promise.all(Array.from({ length: 20 }, () => runner.finish(work)));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect((await server.state(number)).build).toMatchObject({ status: 'passed', revision: 4 });
});

test('a claim whose answer was lost gives the same attempt when asked again, and another claim the next job', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  await server.build({ name: 'one' }, { name: 'two' });
  const claimId = newId();
  const first = await runner.take(claimId);
  const again = await runner.take(claimId);
  expect({ ...again, gitToken: '' }).toEqual({ ...first, gitToken: '' });
  expect(again.gitToken).not.toBe(first.gitToken);
  expect((await runner.take()).job.name).toBe('two');
});

test('a runner of another protocol is refused before anything else', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const shapeless = { protocol: 2, instance: 7, labels: 'what' };
  expect(await runner.hello(shapeless)).toMatchObject({ status: 426, body: { code: 'protocol-mismatch' } });
  expect(await runner.hello({ capacity: 0 })).toMatchObject({ status: 400, body: { code: 'bad-request' } });
});

test('a second living process with one token is refused; the same instance coming back is welcome', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const other = runner.twin({ sameInstance: false });
  expect(await other.hello()).toMatchObject({ status: 409, body: { code: 'runner-already-connected' } });
  expect(await other.claim()).toMatchObject({ status: 409 });
  expect(await other.renew([])).toMatchObject({ status: 409 });
  expect((await runner.twin({ sameInstance: true }).hello()).status).toBe(200);

  server.clock.advance(server.services.config.times.renewMs * 2 + 1);
  expect((await other.hello()).status).toBe(200);
  expect(await runner.renew([])).toMatchObject({ status: 409, body: { code: 'runner-already-connected' } });
});

test('a process that stands with a renewal is alive however long ago it was heard', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const leaving = new AbortController();
  const standing = runner.renew([], { immediate: false, signal: leaving.signal }).catch(() => null);
  await expect.poll(() => server.isStanding(runner.name)).toBe(true);
  server.clock.advance(3_600_000);
  expect((await runner.twin({ sameInstance: false }).hello()).status).toBe(409);
  leaving.abort();
  await standing;
});

test('what another runner holds is forbidden, and a wrong fencing token is stale', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const stranger = await PuppetRunner.connect(server);
  const number = await server.build({ name: 'test' });
  const work = await runner.take();
  const before = await server.state(number);
  const requests = (who: PuppetRunner, as: typeof work) => [
    who.log(as, 0, 'mine'),
    who.progress(as, [stepState('true')]),
    who.putBlob(as, 'bytes'),
    who.finish(as),
    who.send('GET', `/api/runner/attempts/${as.attempt}/inputs/${sha256('x')}`, { work: as }),
  ];
  for (const answer of await Promise.all(requests(stranger, work)))
    expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  for (const answer of await Promise.all(requests(runner, { ...work, fence: newId() })))
    expect(answer).toMatchObject({ status: 409, body: { code: 'stale-fence' } });
  for (const answer of await Promise.all(requests(runner, { ...work, attempt: newId() })))
    expect(answer).toMatchObject({ status: 409 });
  expect(await server.state(number)).toEqual(before);
  expect(await server.services.logs.size(work.attempt)).toBe(0);
});

test('a log sent again is kept once, and a gap is answered with where to continue', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  await server.build({ name: 'test' });
  const work = await runner.take();
  await runner.log(work, 0, 'abc');
  expect(await runner.log(work, 0, 'abcdef')).toMatchObject({ status: 200, body: { size: 6 } });
  expect(await runner.log(work, 9, 'x')).toMatchObject({ status: 416, body: { code: 'log-gap', size: 6 } });
  const wrong = finishOf({ logSize: 9, logSha256: sha256('abcdefghi') });
  expect(await runner.finish(work, wrong)).toMatchObject({ status: 416, body: { size: 6 } });
  const differs = { logSize: 6, logSha256: sha256('ABCDEF') };
  expect(await runner.finish(work, differs)).toMatchObject({ status: 416, body: { size: 0 } });
  await runner.log(work, 0, 'ABCDEF');
  expect((await runner.finish(work, differs)).status).toBe(200);
});

test('a log beyond its limit is refused', async () => {
  await using server = await QueueServer.start({ config: { logLimit: 1000 } });
  const runner = await PuppetRunner.connect(server);
  await server.build({ name: 'test' });
  const work = await runner.take();
  const most = 1000 + 64 * 1024;
  expect((await runner.log(work, 0, Buffer.alloc(most))).status).toBe(200);
  expect(await runner.log(work, most, 'x')).toMatchObject({ status: 413, body: { code: 'too-large' } });
});

test('artifacts become visible with the result, and only whole', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  const definition = { name: 'shop', paths: ['dist'], exclude: [] };
  const number = await server.build(
    { name: 'package', artifacts: [definition] },
    { name: 'use', needs: ['package'], inputs: ['shop'] },
  );
  const work = await runner.take();
  const artifact = packed('shop', 'the tarball', '[]');
  expect(await runner.finish(work)).toMatchObject({ status: 400, body: { code: 'bad-request' } });
  const passed = { artifacts: [artifact] };
  expect(await runner.finish(work, passed)).toMatchObject({ status: 422, body: { code: 'digest-mismatch' } });
  expect(
    (await runner.send('HEAD', `/api/runner/attempts/${work.attempt}/blobs/${artifact.sha256}`, { work }))
      .status,
  ).toBe(404);
  expect(await runner.putBlob(work, 'other bytes', artifact.sha256)).toMatchObject({ status: 422 });
  expect((await runner.putBlob(work, 'the tarball')).status).toBe(201);
  expect((await runner.putBlob(work, 'the tarball')).status).toBe(200);
  expect(
    (await runner.send('HEAD', `/api/runner/attempts/${work.attempt}/blobs/${artifact.sha256}`, { work }))
      .status,
  ).toBe(200);
  expect((await runner.putBlob(work, '[]')).status).toBe(201);
  expect(await runner.finish(work, { artifacts: [{ ...artifact, size: 3 }] })).toMatchObject({ status: 422 });
  expect((await server.services.db.selectFrom('artifacts').selectAll().execute()).length).toBe(0);
  expect((await runner.finish(work, passed)).status).toBe(200);

  const next = await runner.take();
  expect(next.inputs).toEqual([
    { name: 'shop', fileName: 'shop-1.2.3.tar.gz', sha256: artifact.sha256, size: 11 },
  ]);
  const url = `${server.address}/api/runner/attempts/${next.attempt}/inputs/${artifact.sha256}`;
  const input = await fetch(url, {
    headers: { authorization: `Bearer ${runner.token}`, 'reprise-fence': next.fence },
  });
  expect(await input.text()).toBe('the tarball');
  const foreign = `/api/runner/attempts/${next.attempt}/inputs/${artifact.manifestSha256}`;
  expect((await runner.send('GET', foreign, { work: next })).status).toBe(404);
  expect((await runner.finish(next)).status).toBe(200);
  expect((await server.state(number)).build.status).toBe('passed');
});

test('a step that was reported as ended stays ended, whatever comes late', async () => {
  await using server = await QueueServer.start();
  const runner = await PuppetRunner.connect(server);
  await server.build({ name: 'test' });
  const work = await runner.take();
  const passed = stepState('true', { status: 'passed', exitCode: 0, finishedMs: 1 });
  await runner.progress(work, [passed]);
  await runner.progress(work, [stepState('true', { status: 'running' })]);
  await runner.progress(work, [stepState('true', { status: 'failed', exitCode: 1, finishedMs: 1 })]);
  const steps = await server.services.db.selectFrom('steps').selectAll().execute();
  expect(steps).toMatchObject([{ status: 'passed', exit_code: 0 }]);
});
