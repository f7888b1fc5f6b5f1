import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RepriseProcess } from '../../rig/process.ts';
import { type Fault, ProtocolServer, type ServedAttempt } from '../../rig/protocol-server.ts';
import { makeRepository } from '../../rig/repository.ts';
import { DIES_WITH_PARENT, runnerEnv, startRunnerProcess } from '../../rig/runner-process.ts';
import { tempDir } from '../../rig/temp.ts';

const dir = tempDir();
let server: ProtocolServer;
let runner: RepriseProcess;

beforeAll(async () => {
  const repository = makeRepository(dir.join('repository'));
  repository.commit('First', { 'hello.txt': 'hello\n' });
  // Fifty times as fast: a runner fences itself after 2.4 s.
  server = await ProtocolServer.start(repository, { timeScale: 50 });
});

/** The runner of the test before, unless that ended it. */
beforeEach(async () => {
  if (!runner || runner.child.exitCode !== null || runner.child.signalCode !== null)
    runner = await readyRunner();
});

afterEach(() => {
  server.fault = () => null;
});

afterAll(async () => {
  await runner.kill();
  await server[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

async function readyRunner(): Promise<RepriseProcess> {
  const started = startRunnerProcess(server, { dataDir: dir.join('runner') });
  await started.line(/runner ready/);
  return started;
}

const abandoned = ({ assignment }: ServedAttempt, why = '') =>
  runner.line(new RegExp(`"attempt":"${assignment.attempt}".*job abandoned: .*${why}`));

const workspaces = () => readdirSync(dir.join('runner/attempts'));

/** A step that prints a line now and then until the file `go` is there; the test sees each line. */
const ticking = 'i=0; while [ $i -lt 600 ]; do echo tick $i; i=$((i+1)); sleep 0.02; done';

/** Whether a process with these words in its command line is left on the machine. */
function isAlive(words: string): boolean {
  const wanted = words.replaceAll(' ', '\0');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => commandLine(pid).includes(wanted));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

async function exitCode({ child }: RepriseProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}

describe('an unreliable server', () => {
  test.each<[string, Fault]>([
    ['answers are lost after the work was done', 'lose-answer'],
    ['connections are cut', 'refuse'],
    ["a proxy's page comes instead of answers", 'html'],
    ['answers are 503', 'unavailable'],
  ])('changes nothing when %s', async (_, fault) => {
    let requests = 0;
    server.fault = () => (requests++ % 5 === 0 ? fault : null);
    const { result, log, attempt } = await server.perform({
      job: { artifacts: [{ name: 'shop', paths: ['out'], exclude: [] }] },
      steps: ['seq 1 200000', 'echo out > out'],
    });
    expect(result.status, log).toBe('passed');
    expect(log).toContain(`\n${Array.from({ length: 200_000 }, (_, index) => index + 1).join('\n')}\n`);
    expect(createHash('sha256').update(attempt.log).digest('hex')).toBe(result.logSha256);
    expect(attempt.blobs.size).toBe(2);
    expect(server.attempts.filter((it) => it.claimId !== null && !it.result)).toEqual([]);
  });

  test('that restarts loses no byte of a log', async () => {
    const attempt = server.offer({ steps: ['for i in $(seq 100); do echo tick $i; sleep 0.02; done'] });
    await attempt.logged('tick 20');
    await server.vanish();
    await server.listen();
    await attempt.logged('tick 60');
    await server.vanish();
    await server.listen();
    const result = await attempt.finished;
    expect(result.status).toBe('passed');
    const ticks = attempt.log.toString().match(/tick \d+/g);
    expect(ticks).toEqual(Array.from({ length: 100 }, (_, index) => `tick ${index + 1}`));
  });

  test('that was away while the job ended gets its result', async () => {
    const attempt = server.offer({ steps: ['echo ready; sleep 0.31234; echo done'] });
    await attempt.logged('ready');
    await server.vanish();
    await expect.poll(() => isAlive('sleep 0.31234')).toBe(false);
    await server.listen();
    expect(await attempt.finished).toMatchObject({ status: 'passed' });
  });

  test('that was away for longer than a lease may give work before it has answered a renewal', async () => {
    const before = server.offer({ steps: [ticking] });
    await before.logged('tick 3');
    await server.vanish();
    await abandoned(before, 'no renewal was answered');
    server.fault = (request) => (request.endsWith('/renew') ? 'unavailable' : null);
    const given = server.offer({ steps: ['echo here', 'sleep 1', 'echo still here'] });
    await server.listen();
    await given.logged('here');
    // The fence comes by four times a second, and means what was held before.
    await given.logged('still here');
    server.fault = () => null;
    expect(await given.finished).toMatchObject({ status: 'passed' });
  });

  test('that has forgotten the runner hears hello again', async () => {
    const attempt = server.offer({ steps: [ticking] });
    await attempt.logged('tick 3');
    server.forgetInstance();
    await server.until(() => server.requests.filter((request) => request.endsWith('/hello')).length > 1);
    server.cancel(attempt);
    expect(await attempt.finished).toMatchObject({ status: 'cancelled' });
  });

  test('whose copy of the log turns out to differ gets it again', async () => {
    const attempt = server.offer({ steps: ['echo ready; sleep 0.5; echo done'] });
    await attempt.logged('ready');
    attempt.log.fill('?');
    expect(await attempt.finished).toMatchObject({ status: 'passed' });
    expect(attempt.log.toString()).toMatch(/ready\ndone\n$/);
  });
});

describe('the lease', () => {
  test('that cannot be renewed ends the sandbox, and the late result is not sent', async () => {
    const attempt = server.offer({ steps: [`${ticking}`] });
    await attempt.logged('tick 3');
    const cut = performance.now();
    server.fault = (request) => (request.endsWith('/renew') ? 'hang' : null);
    await abandoned(attempt, 'no renewal was answered for 2400 ms');
    const took = performance.now() - cut;
    expect(took).toBeGreaterThan(1500);
    expect(took).toBeLessThan(4400);
    server.fault = () => null;
    // The next renewal says that the attempt is held no more.
    await server.until(() => attempt.revoked);
    expect(attempt.result).toBeNull();
    const { result } = await server.perform();
    expect(result.status).toBe('passed');
    await expect.poll(workspaces).toEqual([]);
  });

  test('that was taken away kills the sandbox at once, without a report', async () => {
    const attempt = server.offer({ steps: [`trap "" TERM; ${ticking}`] });
    await attempt.logged('tick 3');
    server.revoke(attempt);
    await abandoned(attempt);
    const { result } = await server.perform();
    expect(result.status).toBe('passed');
    expect(attempt.result).toBeNull();
  });

  test('of a runner that was stopped for long is not used any more', async () => {
    const attempt = server.offer({ steps: [ticking] });
    await attempt.logged('tick 3');
    runner.child.kill('SIGSTOP');
    server.revoke(attempt);
    const seen = attempt.log.length;
    await new Promise((resolve) => setTimeout(resolve, server.times.reassignMs));
    runner.child.kill('SIGCONT');
    await abandoned(attempt);
    expect(attempt.log.length).toBe(seen);
    expect((await server.perform()).result.status).toBe('passed');
  });
});

describe('a runner', () => {
  test('that is killed leaves no process, and no workspace once it is back as the same instance', async () => {
    const attempt = server.offer({ steps: ['touch left; setsid sleep 61234 & echo ready; sleep 61234'] });
    await attempt.logged('ready');
    await runner.kill();
    expect(workspaces()).toHaveLength(1);
    await expect.poll(() => isAlive('sleep 61234'), { timeout: 5000 }).toBe(false);
    runner = await readyRunner();
    expect(workspaces()).toEqual([]);
    // It says at once that it holds nothing, and needs no lease to run out.
    await server.until(() => attempt.revoked);
    expect((await server.perform()).result.status).toBe('passed');
  });

  test('that is asked to end finishes its job, takes no other, and exits with 0', async () => {
    const attempt = server.offer({ steps: ['echo ready; sleep 0.5; echo done'] });
    await attempt.logged('ready');
    const waiting = server.offer();
    runner.child.kill('SIGTERM');
    expect(await attempt.finished).toMatchObject({ status: 'passed' });
    expect(await exitCode(runner)).toBe(0);
    expect(waiting.claimId).toBeNull();
    server.revoke(waiting);
  });

  test('that is asked to end while its server is away does so', async () => {
    const attempt = server.offer({ steps: [ticking] });
    await attempt.logged('tick 3');
    await server.vanish();
    runner.child.kill('SIGTERM');
    await runner.line(/draining/);
    runner.child.kill('SIGTERM');
    expect(await exitCode(runner)).toBe(0);
    await server.listen();
    server.revoke(attempt);
  });

  test('that is asked twice ends at once and hands its job back', async () => {
    const attempt = server.offer({ steps: [`trap "" TERM; ${ticking}`] });
    await attempt.logged('tick 3');
    runner.child.kill('SIGTERM');
    await runner.line(/draining/);
    runner.child.kill('SIGTERM');
    await server.until(() => attempt.revoked);
    expect(await exitCode(runner)).toBe(0);
    expect(attempt.result).toBeNull();
  });

  test('that belongs to a process ends with it, and so do its sandboxes', async () => {
    await runner.stop();
    const child = spawn(process.execPath, ['--input-type=module', '--eval', DIES_WITH_PARENT], {
      env: { PATH: process.env['PATH'], ...runnerEnv(server, dir.join('runner')) },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const attempt = server.offer({ steps: ['echo ready; sleep 62345'] });
    await attempt.logged('ready');
    expect(isAlive('sleep 62345')).toBe(true);
    // What the kernel does to the pipe when the parent is killed.
    child.stdin.destroy();
    await once(child, 'exit');
    await expect.poll(() => isAlive('sleep 62345')).toBe(false);
    server.revoke(attempt);
  });

  test('does not start in a data directory that another one holds', async () => {
    const second = startRunnerProcess(server, { dataDir: dir.join('runner') });
    await second.line(/Another runner already works in/);
    expect(await exitCode(second)).toBe(1);
    expect((await server.perform()).result.status).toBe('passed');
  });

  test.each([
    [
      'another one has its token',
      'other',
      /The server does not take this runner: It is runner-already-connected/,
    ],
    ['its token is unknown', 'token', /The server does not take this runner: It is unauthenticated/],
  ])('says so and ends when %s', async (_, kind, said) => {
    await runner.kill();
    if (kind === 'other') server.forgetInstance('somebody-else');
    const other = startRunnerProcess(
      { address: server.address, token: kind === 'token' ? 'rpr_wrong' : server.token },
      { dataDir: dir.join('other') },
    );
    await other.line(said);
    expect(await exitCode(other)).toBe(1);
    server.forgetInstance();
  });

  test('takes no job while the disk is below its mark, and says so', async () => {
    await runner.stop();
    const env = { REPRISE_MIN_FREE_DISK: '900T' };
    runner = startRunnerProcess(server, { dataDir: dir.join('runner'), env });
    const attempt = server.offer();
    await runner.line(/are free for .*: no job is taken until there is more/);
    expect(attempt.claimId).toBeNull();
    server.revoke(attempt);
    await runner.stop();
  });

  test('whose sandbox does not hold never says hello', async () => {
    const before = server.requests.length;
    const env = { REPRISE_SANDBOX: 'host' };
    const unsafe = startRunnerProcess(server, { dataDir: dir.join('unsafe'), env });
    await unsafe.line(/REPRISE_SANDBOX=host is not supported/);
    expect(await exitCode(unsafe)).toBe(1);
    expect(server.requests.slice(before).filter((request) => request.endsWith('/hello'))).toEqual([]);
  });

  test('that is configured wrongly names every problem and exits with 2', async () => {
    const wrong = startRunnerProcess(
      { address: 'nowhere', token: '' },
      { dataDir: dir.join('wrong'), env: { REPRISE_CAPACITY: '0' } },
    );
    await wrong.line(/REPRISE_CAPACITY must be/);
    expect(wrong.output()).toContain('REPRISE_SERVER must be');
    expect(await exitCode(wrong)).toBe(2);
  });
});
