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
  runner = startRunnerProcess(server, { dataDir: dir.join('runner'), env: { REPRISE_CAPACITY: '2' } });
  await runner.line(/runner ready/);
});

afterAll(async () => {
  await runner.stop();
  await server[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

describe('a job', () => {
  test('runs its steps on the commit, in order', async () => {
    const { result, log } = await server.perform({ steps: ['cat hello.txt', 'cat sub/deep.txt'] });
    expect(result).toMatchObject({ status: 'passed', why: '' });
    expect(log).toMatch(/hello\ndeep\n$/);
    expect(result.steps.map((step) => step.status)).toEqual(['passed', 'passed']);
  });
});
