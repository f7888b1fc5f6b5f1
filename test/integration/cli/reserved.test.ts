import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const COMMAND = fileURLToPath(new URL('../../../server/main.ts', import.meta.url));

test.each([
  [['migrate-engine', '--to', 'x'], 'reprise migrate-engine is not supported by this version'],
  [['promot'], "unknown command 'promot'"],
])('reprise %j is used wrongly, and says so', (args, sentence) => {
  const { status, stderr } = spawnSync(process.execPath, [COMMAND, ...args], { encoding: 'utf8' });
  expect(stderr).toContain(sentence);
  expect(status).toBe(2);
});
