import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { replaceTail } from '@reprise/server/bundles/bundle.store.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PuppetRunner } from '../../rig/puppet-runner.ts';
import { type S3Server, startS3 } from '../../rig/s3.ts';
import { type HereProject, ServerHere } from '../../rig/server-here.ts';

const FILES = { '.reprise.yml': 'version: 1\njobs: {a: {steps: [{run: "true"}]}}\n' };

let s3: S3Server;
let buckets = 0;
beforeAll(async () => {
  s3 = await startS3();
});
afterAll(() => s3[Symbol.asyncDispose]());

test('a commit that upstream forgot is built on a server that never had it, and on one whose upstream is away', async () => {
  await using here = await start();
  const project = await here.project('shop', FILES);
  const gone = await builtAndForcedAway(here, project, 'gone');
  await here.services.bundles.store();
  await onAnotherDisk(here);
  const again = await here.admin('POST', '/api/projects/shop/builds/1/rebuild', { reason: 'why not' });
  expect(await here.planned('shop', again.body.number)).toMatchObject({ commit: gone, status: 'queued' });

  await onAnotherDisk(here);
  rmSync(project.repository.path, { recursive: true });
  const { body } = await here.admin('POST', '/api/projects/shop/builds/1/rebuild', { reason: 'why not' });
  expect(await here.planned('shop', body.number)).toMatchObject({ commit: gone, status: 'queued' });
});

test('until its bundle is stored, a server without a commit says that it is on its way, not that there is none', async () => {
  await using here = await start();
  const project = await here.project('shop', FILES);
  await builtAndForcedAway(here, project, 'gone');
  const mirrors = here.path('data', 'mirrors');
  cpSync(mirrors, `${mirrors}.first`, { recursive: true });
  await onAnotherDisk(here);
  const { gitToken } = await (await PuppetRunner.connect(here)).take();
  const authorization = `Basic ${Buffer.from(`reprise:${gitToken}`).toString('base64')}`;
  const ask = () =>
    fetch(`${here.address}/git/shop.git/info/refs?service=git-upload-pack`, { headers: { authorization } });
  const answer = await ask();
  expect(answer.status).toBe(503);
  expect(await answer.text()).toContain('it is not in the storage yet');

  // As the server that planned it does.
  rmSync(mirrors, { recursive: true });
  renameSync(`${mirrors}.first`, mirrors);
  await here.startAgain();
  await here.services.bundles.store();
  await onAnotherDisk(here);
  expect((await ask()).status).toBe(200);
});

test('what is stored grows with what is new: bundles stay few, and every commit comes back from them', async () => {
  await using here = await start();
  const project = await here.project('shop', FILES);
  const shas: string[] = [];
  for (let n = 0; n < 8; n++) {
    shas.push(await builtAndForcedAway(here, project, `gone-${n}`));
    await here.services.bundles.store();
  }
  const { bundles, commits } = await recorded(here);
  expect(bundles.length).toBeLessThan(6);
  for (const [at, { size }] of bundles.entries())
    expect(size).toBeGreaterThanOrEqual(2 * (bundles[at + 1]?.size ?? 0));
  expect(commits).toEqual([...shas].sort());
  await here.services.bundles.store();
  expect((await recorded(here)).bundles).toEqual(bundles);

  await onAnotherDisk(here);
  const row = await projectRow(here);
  for (const sha of [...shas].reverse()) {
    await here.services.mirrors.fetch(row, { wants: [sha] });
    expect(await here.services.mirrors.has(row, sha)).toBe(true);
  }
});

test('a commit that leads to a stored one is stored already', async () => {
  await using here = await start();
  const project = await here.project('shop', FILES);
  const older = project.repository.commit('Older', { a: '1' });
  const newer = project.repository.commit('Newer', { a: '2' });
  for (const ref of [newer, older]) {
    await build(here, ref);
    await here.services.bundles.store();
  }
  const { bundles, commits } = await recorded(here);
  expect(bundles).toHaveLength(1);
  expect(commits).toEqual([older, newer].sort());
  await onAnotherDisk(here);
  expect(await here.services.mirrors.recall(await projectRow(here), [older])).toBe(true);
});

test('what nothing is pinned in goes, and what was built upon it is made again without it', async () => {
  await using here = await start();
  const project = await here.project('shop', FILES);
  const large = { large: 'x\n'.repeat(50).replace(/x/g, () => crypto.randomUUID()) };
  const first = await builtAndForcedAway(here, project, 'first', large);
  await here.services.bundles.store();
  const second = await builtAndForcedAway(here, project, 'second');
  await here.services.bundles.store();
  const before = await recorded(here);
  expect(before.bundles).toHaveLength(2);
  for (const number of [1, 2]) await here.admin('POST', `/api/projects/shop/builds/${number}/cancel`, {});
  await here.admin('PATCH', '/api/projects/shop', {
    retention: { days: null, builds: 1, bytes: null, records: 'go' },
  });
  await here.services.retention.sweep();
  expect((await recorded(here)).commits).toEqual([second]);
  await here.services.bundles.store();
  const after = await recorded(here);
  expect(after.bundles).toHaveLength(1);
  expect(after.bundles[0]?.size).toBeLessThan(before.bundles[0]?.size ?? 0);
  const removals = await here.services.db.selectFrom('removals').select('key').execute();
  expect(removals.map(({ key }) => key).sort()).toEqual(before.bundles.map(({ sha256 }) => sha256).sort());
  await onAnotherDisk(here);
  const row = await projectRow(here);
  expect(await here.services.mirrors.recall(row, [second])).toBe(true);
  expect(await here.services.mirrors.recall(row, [first])).toBe(false);

  await here.admin('DELETE', '/api/projects/shop');
  expect((await recorded(here)).bundles).toEqual([]);
  const { sha256 = '' } = after.bundles[0] ?? {};
  await expect(
    here.services.db.selectFrom('removals').selectAll().where('key', '=', sha256).executeTakeFirstOrThrow(),
  ).resolves.toMatchObject({ store: 'blobs' });
});

test('a damaged bundle is said, and made again by the server whose mirror has the commits', async () => {
  await using here = await start();
  const project = await here.project('shop', FILES);
  const gone = await builtAndForcedAway(here, project, 'gone');
  await here.services.bundles.store();
  const [{ sha256 = '' } = {}] = (await recorded(here)).bundles;
  const object = { Bucket: `bundles-${buckets}`, Key: `blobs/${sha256.slice(0, 2)}/${sha256}` };
  await s3.client.send(new PutObjectCommand({ ...object, Body: 'other bytes' }));

  renameSync(here.path('data', 'mirrors'), here.path('kept'));
  await here.startAgain();
  const row = await projectRow(here);
  await expect(here.services.mirrors.fetch(row, { wants: [gone] })).resolves.toBeUndefined();
  expect(await here.services.mirrors.has(row, gone)).toBe(false);
  expect(here.logLines.map(({ msg }) => msg)).toContain(
    'a bundle of pinned commits is damaged; it is made again from a mirror that has them',
  );
  await here.services.bundles.store();
  expect((await recorded(here)).bundles[0]?.damaged_at).toBeGreaterThan(0);

  rmSync(here.path('data', 'mirrors'), { recursive: true });
  renameSync(here.path('kept'), here.path('data', 'mirrors'));
  await here.startAgain();
  await here.services.bundles.store();
  expect((await recorded(here)).bundles).toMatchObject([{ damaged_at: null }]);
  await onAnotherDisk(here);
  expect(await here.services.mirrors.recall(row, [gone])).toBe(true);
});

test('where nobody has a damaged bundle’s commits any more, what is left is stored again and the loss is said', async () => {
  await using here = await start();
  const project = await here.project('shop', FILES);
  const gone = await builtAndForcedAway(here, project, 'gone');
  await here.services.bundles.store();
  const [{ sha256 = '' } = {}] = (await recorded(here)).bundles;
  const object = { Bucket: `bundles-${buckets}`, Key: `blobs/${sha256.slice(0, 2)}/${sha256}` };
  await s3.client.send(new DeleteObjectCommand(object));
  await onAnotherDisk(here);
  await build(here, project.head);
  expect(await here.services.mirrors.recall(await projectRow(here), [gone])).toBe(false);
  await here.services.bundles.store();
  expect((await recorded(here)).commits).toEqual([gone]);
  const real = here.services.now;
  here.services.now = () => real() + 2 * 3_600_000;
  await here.services.bundles.store();
  const { bundles, commits } = await recorded(here);
  expect(commits).toEqual([project.head]);
  expect(bundles).toMatchObject([{ damaged_at: null }]);
  expect(
    here.logLines.find(({ commits }) => commits !== undefined && String(commits) === gone),
  ).toMatchObject({
    level: 50,
    project: 'shop',
  });
});

test('of two servers that store at once the first counts, and the other takes nothing away', async () => {
  await using here = await start();
  const project = await here.project('shop', FILES);
  const first = await builtAndForcedAway(here, project, 'first');
  await here.services.bundles.store();
  const before = await recorded(here);
  const { db, now } = here.services;
  const { id } = await projectRow(here);
  const late = { base: 0, made: { sha256: 'f'.repeat(64), size: 1 }, commits: [first], lost: [], now: now() };
  expect(await replaceTail(db, id, { ...late, chain: [] })).toBe(false);
  expect(await recorded(here)).toEqual(before);
});

test('a mirror that is made anew takes pinned commits from the storage that neither it nor upstream has', async () => {
  await using here = await start();
  const project = await here.project('shop', FILES);
  const gone = await builtAndForcedAway(here, project, 'gone');
  await here.services.bundles.store();
  const row = await projectRow(here);
  const objects = `${here.services.mirrors.directory(row)}/objects`;
  rmSync(objects, { recursive: true });
  mkdirSync(`${objects}/pack`, { recursive: true });
  here.services.mirrors.suspect(row);
  await here.services.mirrors.fetch(row);
  const { mirrors } = here.services;
  expect((await mirrors.commit(row, gone)).subject).toBe('On gone');
  expect(existsSync(`${mirrors.directory(row)}.damaged`)).toBe(false);
});

async function start(): Promise<ServerHere> {
  buckets += 1;
  return ServerHere.start({ STORAGE_URL: await s3.bucket(`bundles-${buckets}`) });
}

/** Builds a commit of a branch, which is then taken away and its objects with it. */
async function builtAndForcedAway(
  here: ServerHere,
  project: HereProject,
  name: string,
  files: Record<string, string> = { [name]: name },
): Promise<string> {
  const { repository } = project;
  repository.git('checkout', '--quiet', '-b', name);
  const sha = repository.commit(`On ${name}`, files);
  await build(here, sha);
  repository.git('checkout', '--quiet', 'main');
  repository.git('branch', '--quiet', '-D', name);
  repository.git('reflog', 'expire', '--expire=now', '--all');
  repository.git('gc', '--quiet', '--prune=now');
  return sha;
}

async function build(here: ServerHere, ref: string): Promise<void> {
  const { body } = await here.admin('POST', '/api/projects/shop/builds', { ref });
  await here.planned('shop', body.number);
}

async function recorded({ services: { db } }: ServerHere) {
  const commits = await db.selectFrom('bundled_commits').select('commit_sha').orderBy('commit_sha').execute();
  return {
    bundles: await db.selectFrom('bundles').selectAll().orderBy('number').execute(),
    commits: commits.map(({ commit_sha }) => commit_sha),
  };
}

function projectRow({ services: { db } }: ServerHere) {
  return db.selectFrom('projects').selectAll().executeTakeFirstOrThrow();
}

/** As a server finds it whose disk never had the mirrors. */
async function onAnotherDisk(here: ServerHere): Promise<void> {
  rmSync(here.path('data', 'mirrors'), { recursive: true });
  await here.startAgain();
}
