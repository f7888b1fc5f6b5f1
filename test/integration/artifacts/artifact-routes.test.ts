import { readdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { manifestEnd, manifestLine } from '@reprise/runner/artifact/manifest.ts';
import type { ManifestEntry } from '@reprise/runner/protocol.ts';
import type { Artifact } from '@reprise/server/api.ts';
import { describe, expect, test } from 'vitest';
import { PuppetRunner, packed, sha256 } from '../../rig/puppet-runner.ts';
import { ADMIN_TOKEN, QueueServer } from '../../rig/queue-server.ts';
import { tempDir } from '../../rig/temp.ts';

const CONTENT = 'the bytes of a tarball';
const MANIFEST: ManifestEntry[] = [
  { type: 'directory', path: 'bin', mode: '0755' },
  { type: 'file', path: 'bin/run', mode: '0755', size: 3, sha256: sha256('run') },
  { type: 'link', path: 'run', target: 'bin/run' },
];
const ARTIFACTS = '/api/projects/app/builds/1/artifacts';
const FILE = `${ARTIFACTS}/shop-1.2.3.tar.gz`;
const ETAG = `"${sha256(CONTENT)}"`;

test('a build lists what it made', async () => {
  await using server = await QueueServer.start();
  await build(server, CONTENT);
  const { body } = await server.admin<{ items: Artifact[] }>('GET', ARTIFACTS);
  expect(body).toEqual({
    items: [
      {
        name: 'shop',
        fileName: 'shop-1.2.3.tar.gz',
        version: '1.2.3',
        sha256: sha256(CONTENT),
        treeSha256: sha256(`tree of ${CONTENT}`),
        size: CONTENT.length,
        url: `${server.address}${FILE}`,
        reproducibility: { state: 'unverified', comparedWith: null, differences: [] },
      },
    ],
  });
  expect((await get(server, new URL(body.items[0]?.url ?? '').pathname)).text).toBe(CONTENT);
});

test('an artifact comes as an attachment with its digest', async () => {
  await using server = await QueueServer.start();
  await build(server, CONTENT);
  const { status, text, headers } = await get(server, FILE);
  expect([status, text]).toEqual([200, CONTENT]);
  expect(Object.fromEntries(headers)).toMatchObject({
    'content-type': 'application/gzip',
    'content-length': String(CONTENT.length),
    'content-disposition': 'attachment; filename="shop-1.2.3.tar.gz"',
    'accept-ranges': 'bytes',
    etag: ETAG,
    'repr-digest': `sha-256=:${Buffer.from(sha256(CONTENT), 'hex').toString('base64')}:`,
    'x-content-type-options': 'nosniff',
    'content-security-policy': "sandbox; default-src 'none'",
  });
  const head = await get(server, FILE, {}, 'HEAD');
  expect([head.status, head.text, head.headers.get('etag')]).toEqual([200, '', ETAG]);
  expect(head.headers.get('content-length')).toBe(String(CONTENT.length));
});

test.each<[string, Record<string, string>, number, string]>([
  ['a range', { range: 'bytes=4-8' }, 206, 'bytes'],
  ['the end', { range: 'bytes=-7' }, 206, 'tarball'],
  ['a range of the same bytes still', { range: 'bytes=4-8', 'if-range': ETAG }, 206, 'bytes'],
  ['a range of other bytes', { range: 'bytes=4-8', 'if-range': '"other"' }, 200, CONTENT],
  [
    'a range of what was known at a time',
    { range: 'bytes=4-8', 'if-range': 'Thu, 01 Jan 2026 00:00:00 GMT' },
    200,
    CONTENT,
  ],
  ['what is known already', { 'if-none-match': ETAG }, 304, ''],
  ['what is known already, weakly and among others', { 'if-none-match': `"x", W/${ETAG}` }, 304, ''],
  ['whatever is known', { 'if-none-match': '*' }, 304, ''],
  ['what is not known', { 'if-none-match': '"other"' }, 200, CONTENT],
])('asked for %s', async (_what, headers, status, text) => {
  await using server = await QueueServer.start();
  await build(server, CONTENT);
  const answer = await get(server, FILE, headers);
  expect([answer.status, answer.text]).toEqual([status, text]);
});

test('a range beyond the end is refused', async () => {
  await using server = await QueueServer.start();
  await build(server, CONTENT);
  const { status, headers } = await get(server, FILE, { range: 'bytes=22-' });
  expect([status, headers.get('content-range')]).toEqual([416, 'bytes */22']);
});

test('a damaged artifact is refused before its first byte, and stored anew by a rebuild', async () => {
  using dir = tempDir();
  await using server = await QueueServer.start({ dataDir: dir.path });
  await build(server, CONTENT);
  const shelf = dir.join('blobs', sha256(CONTENT).slice(0, 2));
  writeFileSync(`${shelf}/${sha256(CONTENT)}`, CONTENT.replace('bytes', 'BYTES'));
  const { status, text, headers } = await get(server, FILE);
  expect(status).toBe(500);
  expect(JSON.parse(text)).toMatchObject({ code: 'artifact-damaged' });
  expect(text).not.toContain('BYTES');
  expect(headers.get('content-type')).toMatch('application/problem+json');
  expect(headers.get('repr-digest')).toBe(null);
  expect(readdirSync(shelf)).toEqual([expect.stringContaining('.damaged-')]);
  await build(server, CONTENT);
  expect((await get(server, FILE)).text).toBe(CONTENT);
});

test('a client that goes away in the middle harms nobody', async () => {
  await using server = await QueueServer.start();
  const large = 'x'.repeat(5_000_000);
  await build(server, large);
  for (let n = 0; n < 5; n += 1) await abandon(server, FILE);
  expect((await get(server, FILE)).text).toBe(large);
});

test('a manifest lists the entries, a link with where it leads', async () => {
  await using server = await QueueServer.start();
  await build(server, CONTENT);
  expect((await server.admin('GET', `${FILE}/manifest`)).body).toEqual({
    items: [MANIFEST[0], MANIFEST[1], { type: 'link', path: 'run', link: 'bin/run' }],
  });
});

test('a manifest of a hundred thousand entries comes whole', async () => {
  await using server = await QueueServer.start();
  const many: ManifestEntry[] = Array.from({ length: 100_000 }, (_, n) => ({
    type: 'directory',
    path: `é${n}`,
    mode: '0755',
  }));
  await build(server, CONTENT, { manifest: many });
  expect((await server.admin('GET', `${FILE}/manifest`)).body).toEqual({ items: many });
});

test.each([
  ['no JSON', 'not json'],
  ['entries of another kind', '[{"type":"device","path":"x"}]'],
])('a manifest that is %s is a problem, not an answer', async (_what, manifest) => {
  await using server = await QueueServer.start();
  await build(server, CONTENT, { manifestText: manifest });
  const { status, body } = await server.admin('GET', `${FILE}/manifest`);
  expect(status).toBe(500);
  expect(body).toMatchObject({ code: 'artifact-damaged' });
});

test.each([
  ['/api/projects/none/builds/1/artifacts', 404],
  ['/api/projects/app/builds/7/artifacts', 404],
  [`${ARTIFACTS}/other.tar.gz`, 404],
  [`${ARTIFACTS}/..%2f..%2f..%2fetc%2fpasswd`, 404],
  [`${ARTIFACTS}/other.tar.gz/manifest`, 404],
  ['/api/projects/app/builds/x/artifacts', 400],
])('%s is %i', async (path, status) => {
  await using server = await QueueServer.start();
  await build(server, CONTENT);
  expect((await get(server, path)).status).toBe(status);
});

test('nobody gets an artifact without saying who he is', async () => {
  await using server = await QueueServer.start();
  await build(server, CONTENT);
  for (const path of [ARTIFACTS, FILE, `${FILE}/manifest`])
    expect((await fetch(server.address + path)).status).toBe(401);
});

describe('building a commit again', () => {
  test('gives the same tree: identical, on both builds', async () => {
    await using server = await QueueServer.start();
    await build(server, CONTENT);
    await build(server, CONTENT);
    await build(server, CONTENT);
    expect(await reproducibility(server, 1)).toEqual({
      state: 'identical',
      comparedWith: 2,
      differences: [],
    });
    expect(await reproducibility(server, 2)).toEqual({
      state: 'identical',
      comparedWith: 1,
      differences: [],
    });
    expect(await reproducibility(server, 3)).toEqual({
      state: 'identical',
      comparedWith: 1,
      differences: [],
    });
  });

  test('gives another tree: different, and the files are named from the earlier to the later', async () => {
    await using server = await QueueServer.start();
    await build(server, 'one');
    const [directory, run, link] = MANIFEST;
    const changed = [directory, { ...run, sha256: sha256('RUN') }, link] as ManifestEntry[];
    await build(server, 'two', { manifest: changed });
    const differences = [{ path: 'bin/run', change: 'changed', sha256: [sha256('run'), sha256('RUN')] }];
    const result = { state: 'different', differences, differenceCount: 1, toolchainChanged: false };
    expect(await reproducibility(server, 1)).toEqual({ ...result, comparedWith: 2 });
    expect(await reproducibility(server, 2)).toEqual({ ...result, comparedWith: 1 });
  });

  test('once different stays different, for the builds that agree, too', async () => {
    await using server = await QueueServer.start();
    await build(server, 'one');
    await build(server, 'two', { manifest: [] });
    await build(server, 'one');
    expect(await reproducibility(server, 3)).toMatchObject({
      state: 'different',
      comparedWith: 2,
      differenceCount: 3,
    });
    expect(await reproducibility(server, 1)).toMatchObject({ state: 'different', comparedWith: 2 });
  });

  test('on other tools says so', async () => {
    await using server = await QueueServer.start();
    await build(server, 'one');
    await build(server, 'two', { manifest: [], tools: 'newer' });
    expect(await reproducibility(server, 2)).toMatchObject({ state: 'different', toolchainChanged: true });
  });

  test('with another plan is another thing', async () => {
    await using server = await QueueServer.start();
    await build(server, 'one');
    await build(server, 'two', { plan: 'another' });
    expect(await reproducibility(server, 2)).toMatchObject({ state: 'unverified', comparedWith: null });
  });

  test('is still told when a manifest is lost', async () => {
    using dir = tempDir();
    await using server = await QueueServer.start({ dataDir: dir.path });
    await build(server, 'one');
    await build(server, 'two', { manifestText: 'lost' });
    expect(await reproducibility(server, 2)).toEqual({
      state: 'different',
      comparedWith: 1,
      differences: [],
      toolchainChanged: false,
    });
  });
});

interface Made {
  manifest?: ManifestEntry[];
  /** Instead of a manifest: anything. */
  manifestText?: string;
  plan?: string;
  tools?: string;
}

/** A build of the same commit whose job passed and brought this content as its artifact `shop`. */
async function build(server: QueueServer, content: string, o: Made = {}): Promise<void> {
  const number = await server.build({
    name: 'package',
    artifacts: [{ name: 'shop', paths: ['dist'], exclude: [] }],
  });
  const { db } = server.services;
  await db
    .updateTable('builds')
    .set({ plan_sha256: sha256(o.plan ?? 'plan') })
    .where('number', '=', number)
    .execute();
  const runner = await PuppetRunner.connect(server);
  const work = await runner.take();
  const manifest = o.manifestText ?? manifestText(o.manifest ?? MANIFEST);
  await runner.putBlob(work, content);
  await runner.putBlob(work, manifest);
  const toolchain = { fingerprint: sha256(o.tools ?? 'tools'), tools: {} };
  const { status, body } = await runner.finish(work, {
    artifacts: [packed('shop', content, manifest)],
    toolchain,
  });
  if (status !== 200) throw new Error(JSON.stringify(body));
}

function manifestText(entries: ManifestEntry[]): string {
  return entries.map((entry, n) => manifestLine(entry, n === 0)).join('') + manifestEnd(entries.length === 0);
}

async function reproducibility(server: QueueServer, number: number) {
  const path = `/api/projects/app/builds/${number}/artifacts`;
  const { body } = await server.admin<{ items: Artifact[] }>('GET', path);
  return body.items[0]?.reproducibility;
}

async function get(server: QueueServer, path: string, headers: Record<string, string> = {}, method = 'GET') {
  const authorization = `Bearer ${ADMIN_TOKEN}`;
  const response = await fetch(server.address + path, { method, headers: { authorization, ...headers } });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Takes the first bytes of an answer, then hangs up. */
function abandon(server: QueueServer, path: string): Promise<void> {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  return new Promise((resolve) => {
    const sent = request(server.address + path, { headers, agent: false }, (response) => {
      response.once('data', () => {
        sent.destroy();
        resolve();
      });
    });
    sent.on('error', () => {});
    sent.end();
  });
}
