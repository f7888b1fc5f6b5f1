import type { Build } from '@reprise/server/api.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PuppetRunner, packed, sha256 } from '../../rig/puppet-runner.ts';
import { ServerHere } from '../../rig/server-here.ts';

const PIPELINE = `version: 1
jobs:
  package:
    steps: [run: 'true']
    artifact: { name: shop, paths: [dist] }
`;

let server: ServerHere;
let runner: PuppetRunner;

beforeAll(async () => {
  server = await ServerHere.start();
  runner = await PuppetRunner.connect(server);
});
afterAll(() => server[Symbol.asyncDispose]());

/** Builds `ref`, and makes of it an artifact whose one file has this content. */
async function make(ref: string, content: string): Promise<void> {
  const { body } = await server.admin('POST', '/api/projects/shop/builds', { ref });
  await server.planned('shop', body.number);
  const work = await runner.take();
  const file = { type: 'file', path: 'dist/a', mode: '0644', size: content.length, sha256: sha256(content) };
  const manifest = JSON.stringify([file]);
  await runner.putBlob(work, content);
  await runner.putBlob(work, manifest);
  const artifact = { ...packed('shop', content, manifest), fileName: `shop-${work.version}.tar.gz` };
  const finished = await runner.finish(work, { artifacts: [artifact] });
  if (finished.status !== 200) throw new Error(JSON.stringify(finished));
}

test('a list says whether artifacts are the same again; which files differ, the build itself says', async () => {
  const { repository, head } = await server.project('shop', { '.reprise.yml': PIPELINE });
  for (const content of ['one', 'one', 'two']) await make(head, content);
  const other = repository.commit('Other', { other: 'x' });
  await make(other, 'two');
  await make(other, 'two');
  await make(repository.commit('Once', { once: 'x' }), 'two');

  const { body } = await server.admin('GET', '/api/projects/shop/builds');
  const results = body.items.map(({ number, artifacts }: Build) => [number, artifacts[0]?.reproducibility]);
  expect(results).toEqual([
    [6, { state: 'unverified', comparedWith: null, differences: [] }],
    [5, { state: 'identical', comparedWith: 4, differences: [] }],
    [4, { state: 'identical', comparedWith: 5, differences: [] }],
    [3, { state: 'different', comparedWith: 1, differences: [] }],
    [2, { state: 'different', comparedWith: 3, differences: [] }],
    [1, { state: 'different', comparedWith: 3, differences: [] }],
  ]);
  for (const listed of body.items as Build[]) {
    const own = await server.build('shop', listed.number);
    const { differences, differenceCount, toolchainChanged, ...result } =
      own.artifacts[0]?.reproducibility ?? {};
    expect({ ...result, differences: [] }).toEqual(listed.artifacts[0]?.reproducibility);
    expect(differences?.map(({ path }) => path)).toEqual(listed.number < 4 ? ['dist/a'] : []);
  }
});
