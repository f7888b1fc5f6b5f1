import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RepriseProcess } from '../../rig/process.ts';
import { ProtocolServer } from '../../rig/protocol-server.ts';
import { makeRepository } from '../../rig/repository.ts';
import { startRunnerProcess } from '../../rig/runner-process.ts';
import { tempDir } from '../../rig/temp.ts';

const dir = tempDir();
const repository = makeRepository(dir.join('repository'));
repository.commit('First', { 'hello.txt': 'hello\n', 'sub/deep.txt': 'deep\n' });
let server: ProtocolServer;
let runner: RepriseProcess;

beforeAll(async () => {
  server = await ProtocolServer.start(repository);
  const env = {
    REPRISE_CAPACITY: '2',
    REPRISE_STEP_ENV: 'HTTP_PROXY',
    HTTP_PROXY: 'http://proxy.test',
    LEAK: 'no',
  };
  runner = startRunnerProcess(server, { dataDir: dir.join('runner'), env });
  await runner.line(/runner ready/);
});

afterAll(async () => {
  await runner.stop();
  await server[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

const statuses = (result: { steps: { status: string }[] }) => result.steps.map((step) => step.status);

describe('steps', () => {
  test('run on the commit, in order, and share workspace, home and /tmp', async () => {
    const { result, log } = await server.perform({
      steps: [
        'cat hello.txt; echo 1 > made; echo 2 > ~/made; echo 3 > /tmp/made',
        'cat made ~/made /tmp/made',
      ],
    });
    expect(result).toMatchObject({ status: 'passed', why: '', artifacts: [] });
    expect(log).toMatch(
      /^\[reprise\] commit [0-9a-f]{40} of https:\/\/forge\.test\/shop\.git.*\nhello\n1\n2\n3\n$/,
    );
    expect(statuses(result)).toEqual(['passed', 'passed']);
  });

  test('begin where their section of the log begins', async () => {
    const { result, attempt } = await server.perform({ steps: ['echo one', 'true', 'echo three'] });
    const sections = result.steps.map((step, index) =>
      attempt.log.subarray(step.logOffset ?? 0, result.steps[index + 1]?.logOffset ?? undefined).toString(),
    );
    expect(sections).toEqual(['one\n', '', 'three\n']);
  });

  test('after a failing one are skipped, and why names it', async () => {
    const { result, log } = await server.perform({
      steps: ['true', { name: 'Unit tests', run: 'echo no; exit 3' }, 'echo never'],
    });
    expect(result).toMatchObject({ status: 'failed', why: 'step 2 (Unit tests) exited with code 3' });
    expect(statuses(result)).toEqual(['passed', 'failed', 'skipped']);
    expect(result.steps[1]).toMatchObject({ exitCode: 3 });
    expect(result.steps[2]).toMatchObject({ startedMs: null, finishedMs: null, logOffset: null });
    expect(log).toMatch(/no\n\[reprise\] step 2 \(Unit tests\) exited with code 3\n$/);
  });

  test('end at the first line that fails, also within a pipe', async () => {
    const { result, log } = await server.perform({ steps: ['false | cat\necho never'] });
    expect(result.status).toBe('failed');
    expect(log).not.toContain('never');
  });

  test('can be in another language', async () => {
    const { log } = await server.perform({ steps: [{ run: 'print "in $^X\\n"', shell: 'perl -w' }] });
    expect(log).toContain('in /usr/bin/perl');
  });

  test('see the facts, the file, the operator and nothing else of the runner', async () => {
    const { log } = await server.perform({
      job: { env: { A: 'job', B: 'job' } },
      steps: [{ run: 'env | sort', env: { A: 'job', B: 'step' } }],
    });
    const names = log.split('\n').flatMap((line) => /^([A-Za-z_]+)=/.exec(line)?.[1] ?? []);
    expect(names.filter((name) => !['PWD', 'SHLVL', '_', 'OLDPWD'].includes(name))).toEqual([
      'A',
      'B',
      'CI',
      'HOME',
      'HTTP_PROXY',
      'PATH',
      'REPRISE_COMMIT',
      'REPRISE_ENV',
      'REPRISE_PATH',
      'REPRISE_PROJECT',
    ]);
    expect(log).toContain('A=job\nB=step\n');
    expect(log).toContain('HOME=/home/build\n');
  });

  test('hand variables and paths on to those that follow', async () => {
    const { result, log } = await server.perform({
      job: { env: { A: 'job' } },
      steps: [
        'mkdir bin; printf "#!/bin/sh\\necho from bin\\n" > bin/tool; chmod +x bin/tool; echo "$PWD/bin" >> "$REPRISE_PATH"',
        'echo "A=from step 2" >> "$REPRISE_ENV"; tool',
        'echo "$A"; test ! -s "$REPRISE_ENV"',
        { run: 'echo "$A"', env: { A: 'own' } },
      ],
    });
    expect(result.status, log).toBe('passed');
    expect(log).toMatch(/from bin\nfrom step 2\nown\n$/);
  });

  test.each([
    ['no assignment', 'echo nonsense >> "$REPRISE_ENV"', 'line 1 of $REPRISE_ENV is not NAME=value'],
    [
      'a fact',
      'echo "REPRISE_COMMIT=0" >> "$REPRISE_ENV"',
      'sets REPRISE_COMMIT, which is not to be changed',
    ],
    ['the path', 'echo "PATH=/evil" >> "$REPRISE_ENV"', 'sets PATH, which is changed by $REPRISE_PATH only'],
    ['a relative path', 'echo bin >> "$REPRISE_PATH"', 'line 1 of $REPRISE_PATH is not the absolute path'],
    ['too much', 'head -c 2000000 /dev/zero >> "$REPRISE_ENV"', '$REPRISE_ENV is larger than 1 MiB'],
    ['a link', 'ln -sf /etc/passwd "$REPRISE_ENV"', '$REPRISE_ENV is no longer a regular file'],
    ['a pipe', 'rm "$REPRISE_ENV"; mkfifo "$REPRISE_ENV"', '$REPRISE_ENV is no longer a regular file'],
  ])('fail when they hand on %s', async (_, run, why) => {
    const { result } = await server.perform({ steps: [run, 'true'] });
    expect(result.status).toBe('failed');
    expect(result.why).toContain(why);
    expect(statuses(result)).toEqual(['failed', 'skipped']);
  });

  test('may leave no file behind at all', async () => {
    const { result } = await server.perform({ steps: ['rm "$REPRISE_ENV" "$REPRISE_PATH"', 'true'] });
    expect(result.status).toBe('passed');
  });

  test('start in their working directory', async () => {
    const { log } = await server.perform({
      job: { workingDirectory: 'sub' },
      steps: [
        'pwd',
        { run: 'mkdir made; pwd', workingDirectory: '.' },
        { run: 'pwd', workingDirectory: 'made' },
      ],
    });
    expect(log).toMatch(/\/workspace\/sub\n\/workspace\n\/workspace\/made\n$/);
  });

  test.each([
    ['does not exist', ['echo never'], 'missing'],
    ['does not exist', ['true', { run: 'echo never', workingDirectory: 'hello.txt' }], null],
    ['leaves the workspace', ['ln -s / out', { run: 'echo never', workingDirectory: 'out/etc' }], null],
    ['leaves the workspace', ['echo never'], '..'],
  ])('fail when their working directory %s', async (why, steps, workingDirectory) => {
    const { result, log } = await server.perform({ job: { workingDirectory }, steps });
    expect(result).toMatchObject({ status: 'failed', why: expect.stringContaining(why) });
    expect(log).not.toContain('never\n');
  });

  test('that take longer than they may have failed', async () => {
    const { result } = await server.perform({
      steps: [{ name: 'Slow', run: 'sleep 60', timeoutMs: 200 }, 'true'],
    });
    expect(result).toMatchObject({ status: 'failed', why: 'step 1 (Slow) timed out after 200ms' });
    expect(statuses(result)).toEqual(['failed', 'skipped']);
  });

  test('of a job that takes longer than it may have failed', async () => {
    const { result } = await server.perform({
      job: { timeoutMs: 1000 },
      steps: ['true', 'sleep 60', 'true'],
    });
    expect(result).toMatchObject({ status: 'failed', why: 'timed out after 1s' });
    expect(statuses(result)).toEqual(['passed', 'failed', 'skipped']);
  });

  test('go on when their log has reached its limit', async () => {
    const { result, log } = await server.perform({
      logLimit: 5000,
      steps: ['seq 100000; touch done', 'test -e done'],
    });
    expect(result).toMatchObject({ status: 'passed', logSize: 5000 });
    expect(log).toMatch(/\d+\n+\[the log has reached its limit of 5000 bytes and is cut here\]\n$/);
  });

  test('cannot show the tokens of the job and the runner', async () => {
    const attempt = server.offer({
      gitToken: 'rpg_this-is-the-token-of-the-job',
      steps: [
        'printf rpg_this-is-the-; sleep 0.1; echo token-of-the-job; echo cnBnX3RoaXMtaXMtdGhlLXRva2VuLW9mLXRoZS1qb2I=',
      ],
    });
    expect(await attempt.finished).toMatchObject({ status: 'passed' });
    expect(attempt.log.toString()).toMatch(/\n\*\*\*\n\*\*\*\n$/);
  });

  test('tell their progress while they run', async () => {
    const attempt = server.offer({ steps: ['echo ready; until [ -e go ]; do sleep 0.05; done', 'true'] });
    await server.until(() => attempt.steps[0]?.status === 'running');
    expect(attempt.steps.map((step) => step.status)).toEqual(['running', 'queued']);
    server.cancel(attempt);
    await attempt.finished;
  });
});

describe('cancel', () => {
  test('sends TERM, and the step can clean up', async () => {
    const attempt = server.offer({
      steps: ['trap "echo cleaned; exit 0" TERM; echo ready; while :; do sleep 0.05; done', 'echo never'],
    });
    await attempt.logged('ready');
    server.cancel(attempt);
    expect(await attempt.finished).toMatchObject({ status: 'cancelled', why: 'cancelled' });
    expect(attempt.log.toString()).toContain('cleaned');
    expect(statuses(await attempt.finished)).toEqual(['cancelled', 'skipped']);
  });

  test('kills what does not listen, after the grace', async () => {
    const attempt = server.offer({ steps: ['trap "" TERM; echo ready; while :; do sleep 0.05; done'] });
    await attempt.logged('ready');
    const asked = performance.now();
    server.cancel(attempt);
    expect(await attempt.finished).toMatchObject({ status: 'cancelled' });
    const took = performance.now() - asked;
    expect(took).toBeGreaterThan(server.times.killGraceMs * 0.9);
    expect(took).toBeLessThan(server.times.killGraceMs + 3000);
  });

  test('while the commit is being fetched starts no step', async () => {
    const commit = repository.commit('Not yet fetched', { 'new.txt': 'new' });
    let asked = false;
    server.fault = (request) => {
      asked ||= request.includes('/git/');
      return request.includes('/git/') ? 'hang' : null;
    };
    const attempt = server.offer({ commit, steps: ['echo never'] });
    await server.until(() => asked);
    server.cancel(attempt);
    const result = await attempt.finished;
    server.fault = () => null;
    expect(result).toMatchObject({ status: 'cancelled', why: 'cancelled' });
    expect(statuses(result)).toEqual(['skipped']);
  });
});

describe('artifacts', () => {
  test('are packed after the last step and uploaded with their manifests', async () => {
    const { result, attempt } = await server.perform({
      job: { artifacts: [{ name: 'shop', paths: ['dist'], exclude: [] }] },
      steps: ['mkdir dist; echo built > dist/index.html'],
    });
    expect(result.status, attempt.log.toString()).toBe('passed');
    const [artifact] = result.artifacts;
    expect(artifact).toMatchObject({ name: 'shop', fileName: 'shop-1.2.3.tar.gz' });
    expect(attempt.blobs.get(artifact?.sha256 ?? '')).toHaveLength(artifact?.size ?? -1);
    expect(attempt.blobs.get(artifact?.manifestSha256 ?? '')?.toString()).toContain('dist/index.html');
  });

  test('that match nothing fail the job and name the path', async () => {
    const { result } = await server.perform({
      job: { artifacts: [{ name: 'shop', paths: ['nowhere'], exclude: [] }] },
    });
    expect(result).toMatchObject({
      status: 'failed',
      why: expect.stringContaining('nowhere'),
      artifacts: [],
    });
  });

  test('of needed jobs are unpacked over the checkout', async () => {
    const made = await server.perform({
      job: { artifacts: [{ name: 'part', paths: ['made', 'hello.txt'], exclude: [] }] },
      steps: ['mkdir -p made; echo 1 > made/one; ln -s one made/link; echo changed > hello.txt'],
    });
    const [part] = made.result.artifacts;
    const tarball = made.attempt.blobs.get(part?.sha256 ?? '') ?? Buffer.alloc(0);
    const { result, log } = await server.perform({
      job: { inputs: ['part'] },
      inputs: [server.addInput('part', tarball)],
      steps: ['cat made/one made/link hello.txt; git status --short; echo more >> made/one'],
    });
    expect(result.status, log).toBe('passed');
    expect(log).toMatch(/unpacked part\.tar\.gz\n.*\n1\n1\nchanged\n M hello\.txt\n\?\? made\/\n$/);
  });
});
