import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Rig } from '../rig/reprise.ts';
import { startS3 } from '../rig/s3.ts';

test('on S3-compatible storage a build’s log and artifact are in the bucket alone, and its key is no runner’s', async () => {
  await using s3 = await startS3();
  const STORAGE_URL = await s3.bucket('builds');
  await using rig = await Rig.start({ command: 'up', env: { STORAGE_URL } });
  const pipeline = {
    version: 1,
    jobs: {
      make: {
        steps: [{ run: 'mkdir dist; echo made > dist/made; echo done' }],
        artifacts: [{ name: 'made', paths: ['dist'] }],
      },
    },
  };
  const project = await rig.project('shop', { '.reprise.yml': JSON.stringify(pipeline) });
  const number = await rig.push(project, project.head);
  const build = await rig.ended('shop', number);
  expect(build).toMatchObject({ status: 'passed', artifacts: [{ name: 'made' }] });
  expect(await rig.log('shop', number, 'make')).toContain('done\n');
  const response = await rig.fetch(new URL(build.artifacts[0]?.url ?? '').pathname);
  expect((await response.arrayBuffer()).byteLength).toBe(build.artifacts[0]?.size);
  expect(readdirSync(rig.path('data'))).not.toContain('blobs');
  expect(readdirSync(rig.path('data', 'logs'))).toEqual([]);

  const runner = childrenOf(rig.server.child.pid ?? 0).map((pid) =>
    readFileSync(`/proc/${pid}/environ`, 'utf8'),
  );
  expect(runner.join()).toContain('REPRISE_RUNNER_TOKEN=');
  expect(runner.join()).not.toContain('STORAGE_URL');
  expect(rig.server.output()).not.toContain('testing');
});

function childrenOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
}
