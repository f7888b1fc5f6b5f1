import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const COMMAND = fileURLToPath(new URL('../../../server/main.ts', import.meta.url));

test.each([
  [['promot'], "unknown command 'promot'"],
  [['migrate-engine'], 'Say where to: set DATABASE_URL, STORAGE_URL or both'],
])('reprise %j is used wrongly, and says so', (args, sentence) => {
  const { status, stderr } = spawnSync(process.execPath, [COMMAND, ...args], { encoding: 'utf8' });
  expect(stderr).toContain(sentence);
  expect(status).toBe(2);
});
