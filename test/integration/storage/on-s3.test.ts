import { readdirSync } from 'node:fs';
import { manifestEnd } from '@reprise/runner/artifact/manifest.ts';
import { SharedLogs } from '@reprise/server/logs/shared-logs.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PuppetRunner, packed, sha256 } from '../../rig/puppet-runner.ts';
import { ADMIN_TOKEN, QueueServer } from '../../rig/queue-server.ts';
import { type S3Server, settingsOf, startS3 } from '../../rig/s3.ts';
import { tempDir } from '../../rig/temp.ts';

const CONTENT = 'the bytes of a tarball';
const LOG = 'compiling\nlinking\ndone\n';
const FILE = '/api/projects/app/builds/1/artifacts/shop-1.2.3.tar.gz';
const LOG_AT = '/api/projects/app/builds/1/jobs/build/log';

let s3: S3Server;
beforeAll(async () => {
  s3 = await startS3();
});
afterAll(() => s3[Symbol.asyncDispose]());

test('a job’s artifact and log go to the storage and come from there, byte for byte and by ranges', async () => {
  await using server = await startOn(await s3.bucket('whole'));
  await runJob(server);
  const read = async () => ({
    artifact: await get(server, FILE),
    part: await get(server, FILE, { range: 'bytes=4-8' }),
    log: await get(server, LOG_AT),
    end: await get(server, LOG_AT, { range: 'bytes=-5' }),
    lines: JSON.parse((await get(server, `${LOG_AT}/lines?from=-2`)).text),
    found: JSON.parse((await get(server, `${LOG_AT}/search?q=LINK`)).text),
  });
  const expected = {
    artifact: { status: 200, text: CONTENT },
    part: { status: 206, text: 'bytes' },
    log: { status: 200, text: LOG },
    end: { status: 206, text: 'done\n' },
    lines: { total: 3, lines: [{ text: 'linking' }, { text: 'done' }] },
    found: { matches: [{ line: 2, text: 'linking' }] },
  };
  expect(await read()).toMatchObject(expected);
  const { logs, db } = server.services;
  expect(await (logs as SharedLogs).storeFinished()).toBe(1);
  expect(await (logs as SharedLogs).storeFinished()).toBe(0);
  expect(await db.selectFrom('log_chunks').selectAll().execute()).toEqual([]);
  expect(await read()).toMatchObject(expected);
  expect(readdirSync(server.services.config.dataDir)).not.toContain('blobs');
});

test('where it is asked for a download is sent to the storage, under its name, and nothing else is', async () => {
  await using server = await startOn(await s3.bucket('linked', '&presign=true'));
  await runJob(server);
  const sent = await get(server, FILE, {}, { redirect: 'manual' });
  expect(sent.status).toBe(307);
  expect(sent.headers.get('location')).toContain('/linked/blobs/');
  expect(sent.headers.get('cache-control')).toBe('no-store');
  const followed = await get(server, FILE);
  expect(followed.text).toBe(CONTENT);
  expect(followed.headers.get('content-disposition')).toBe('attachment; filename="shop-1.2.3.tar.gz"');
  const head = await get(server, FILE, {}, { method: 'HEAD', redirect: 'manual' });
  expect([head.status, head.headers.get('content-length')]).toEqual([200, String(CONTENT.length)]);
  expect((await get(server, LOG_AT, {}, { redirect: 'manual' })).text).toBe(LOG);
});

test('a log that no server finished moving is moved by the next, and one nobody knows is removed', async () => {
  const url = await s3.bucket('later');
  using data = tempDir();
  {
    await using server = await startOn(url, data.path);
    await runJob(server);
    await server.services.logs.append('attemptofnobody', 0, Buffer.from('x'), 0);
  }
  await using server = await startOn(url, data.path);
  const { logs, db } = server.services;
  expect(await (logs as SharedLogs).storeFinished()).toBe(2);
  expect((await get(server, LOG_AT)).text).toBe(LOG);
  expect(await db.selectFrom('logs').select('stored').execute()).toEqual([{ stored: 1 }]);
});

test('while the storage is away, what needs it is refused for a while, and logs are taken', async () => {
  await using away = await startS3();
  await using server = await startOn(await away.bucket('away'));
  const runner = await runJob(server);
  await server.build({ name: 'build' });
  const work = await runner.take();
  await away[Symbol.asyncDispose]();
  expect(await get(server, FILE)).toMatchObject({ status: 503 });
  expect((await runner.putBlob(work, 'others')).body.code).toBe('unavailable');
  expect((await runner.log(work, 0, LOG)).body).toEqual({ size: LOG.length });
  expect((await get(server, LOG_AT.replace('/1/', '/2/'))).text).toBe(LOG);
});

test('a server whose storage is not there does not start, and says why', async () => {
  const url = (await s3.bucket('present')).replace('/present', '/absent');
  await expect(startOn(url)).rejects.toThrow('has no bucket absent: make it');
});

function startOn(url: string, dataDir?: string): Promise<QueueServer> {
  return QueueServer.start({
    config: { storage: settingsOf(url) },
    ...(dataDir !== undefined && { dataDir }),
  });
}

/** One job that logged and made an artifact. */
async function runJob(server: QueueServer): Promise<PuppetRunner> {
  expect(server.services.logs).toBeInstanceOf(SharedLogs);
  const runner = await PuppetRunner.connect(server);
  await server.build({ name: 'build', artifacts: [{ name: 'shop', paths: ['dist'], exclude: [] }] });
  const work = await runner.take();
  const manifest = manifestEnd(true);
  expect((await runner.log(work, 0, LOG.slice(0, 12))).status).toBe(200);
  expect((await runner.log(work, 5, LOG.slice(5))).body).toEqual({ size: LOG.length });
  for (const bytes of [CONTENT, manifest]) expect((await runner.putBlob(work, bytes)).status).toBe(201);
  const finished = await runner.finish(work, {
    artifacts: [packed('shop', CONTENT, manifest)],
    logSize: LOG.length,
    logSha256: sha256(LOG),
  });
  expect(finished.status).toBe(200);
  return runner;
}

async function get(server: QueueServer, path: string, headers: object = {}, init: RequestInit = {}) {
  const response = await fetch(`${server.address}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...headers },
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}
