import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startProgram } from '../rig/process.ts';
import { tempDir } from '../rig/temp.ts';

const DEMO = fileURLToPath(new URL('../../server/demo/main.ts', import.meta.url));

test('the demo builds, rebuilds the same bytes, has them live in staging, says so as JSON and leaves nothing', async () => {
  using dir = tempDir();
  const env = { HOME: dir.path, TMPDIR: dir.path };
  await using demo = startProgram([process.execPath, DEMO, '--json', '--exit'], env, 'demo');
  const said = JSON.parse(await demo.line(/^\{/));
  await new Promise((exited) => demo.child.once('close', exited));
  expect(demo.child.exitCode).toBe(0);
  expect(demo.output().split('\n')).toHaveLength(1);
  const { build } = said;
  expect(said).toMatchObject({
    build: { number: 1, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    rebuild: { number: 2, sha256: build.sha256, treeSha256: build.treeSha256 },
    identical: true,
    old: { number: 3 },
    live: {
      environment: 'staging',
      host: 'local',
      build: 1,
      sha256: build.sha256,
      release: expect.stringMatching(/^\d{14}$/),
    },
    url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/welcome#/),
  });
  expect(said.old.sha256).not.toBe(build.sha256);
  expect(readdirSync(dir.path).filter((name) => name.startsWith('reprise-demo'))).toEqual([]);
});
