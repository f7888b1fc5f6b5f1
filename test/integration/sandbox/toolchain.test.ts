import { mkdirSync, writeFileSync } from 'node:fs';
import { readToolchain } from '@reprise/runner/toolchain.ts';
import { afterAll, expect, test } from 'vitest';
import { STEP_ENV, sandboxRig } from './rig.ts';

const rig = await sandboxRig();
afterAll(() => rig[Symbol.asyncDispose]());

test("the toolchain is the one that steps find: the operator's mounts and PATH count, the runner's own do not", async () => {
  mkdirSync(`${rig.directory}/tools`);
  writeFileSync(`${rig.directory}/tools/node`, '#!/bin/sh\necho v99.1.2\n', { mode: 0o755 });
  const toolchain = await readToolchain({
    sandbox: rig.sandbox,
    slot: rig.slot,
    scratch: rig.directory,
    mounts: [{ source: `${rig.directory}/tools`, target: '/opt/tools' }],
    path: `/opt/tools:${STEP_ENV.PATH}`,
  });
  expect(toolchain.tools).toMatchObject({
    node: 'v99.1.2',
    git: expect.stringMatching(/^git version \d/),
    kernel: expect.stringMatching(/^Linux \d/),
    os: expect.stringMatching(/./),
  });
  expect(toolchain.fingerprint).toMatch(/^[0-9a-f]{64}$/);
});

test('a sandbox that cannot start is no toolchain', async () => {
  const broken = readToolchain({
    sandbox: rig.sandbox,
    slot: rig.slot,
    scratch: rig.directory,
    mounts: [{ source: '/no/such/tools', target: '/opt/tools' }],
    path: STEP_ENV.PATH,
  });
  await expect(broken).rejects.toThrow('/no/such/tools');
});
