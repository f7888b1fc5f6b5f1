import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lockDirectory, takeLock } from '@reprise/server/lock.ts';
import { expect, test } from 'vitest';
import { tempDir } from '../../rig/temp.ts';

/** A process that takes the lock, says so and holds it. */
async function holder(path: string) {
  const program = `import { takeLock } from '@reprise/server/lock.ts';
    const lock = takeLock(process.argv[1], { waitMs: 0 });
    console.log(lock === null ? 'busy' : 'held');
    process.stdin.once('data', () => { lock?.release(); console.log('released'); });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, path], {
    cwd: import.meta.dirname,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [said] = await once(child.stdout, 'data');
  return { child, said: String(said).trim() };
}

test('a lock is somebody else’s until that process ends, however it ends', async () => {
  using dir = tempDir();
  const path = dir.join('some', 'lock');
  const { child, said } = await holder(path);
  expect(said).toBe('held');
  expect(takeLock(path, { waitMs: 0 })).toBeNull();
  child.kill('SIGKILL');
  await once(child, 'exit');
  takeLock(path, { waitMs: 0 })?.release();
  expect((await holder(path)).said).toBe('held');
});

test('whoever waits gets it when it is given back', async () => {
  using dir = tempDir();
  const path = dir.join('lock');
  const { child } = await holder(path);
  child.stdin.end('give it back\n');
  const lock = takeLock(path, { waitMs: 10_000 });
  expect(lock).not.toBeNull();
  lock?.release();
});

test('a data directory has one server', () => {
  using dir = tempDir();
  const lock = lockDirectory(dir.join('data'));
  expect(() => lockDirectory(dir.join('data'))).toThrow(
    /Another Reprise server is running on .*data\. Stop it/,
  );
  lock.release();
  lockDirectory(dir.join('data')).release();
});
