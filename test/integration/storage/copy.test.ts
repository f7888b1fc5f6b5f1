import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { manifestEnd } from '@reprise/runner/artifact/manifest.ts';
import { openDatabase } from '@reprise/server/db/open.ts';
import { SharedLogs } from '@reprise/server/logs/shared-logs.ts';
import { copyStorage } from '@reprise/server/storage/copy.ts';
import { openStorage } from '@reprise/server/storage/open.ts';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PuppetRunner, packed, sha256 } from '../../rig/puppet-runner.ts';
import { ADMIN_TOKEN, QueueServer } from '../../rig/queue-server.ts';
import { type S3Server, settingsOf, startS3 } from '../../rig/s3.ts';
import { tempDir } from '../../rig/temp.ts';

const LOG = 'one\ntwo\nthree\n';
const LOG_AT = '/api/projects/app/builds/1/jobs/build/log';

/** Whatever engine the other tests are run on: beside PostgreSQL no log is a file. */
const ON_SQLITE = { databaseUrl: null };

let s3: S3Server;
beforeAll(async () => {
  s3 = await startS3();
});
afterAll(() => s3[Symbol.asyncDispose]());

test('an installation’s artifacts and logs are moved to S3, whole, and a running job goes on there', async () => {
  using data = tempDir();
  const url = await s3.bucket('moved');
  const { token, work } = await fill(data.path);
  expect(await copy(data.path, url)).toMatchObject({ blobs: 4, logs: 3, problems: [] });
  expect(await copy(data.path, url)).toMatchObject({ blobs: 0, problems: [] });

  await using server = await QueueServer.start({
    dataDir: data.path,
    config: { ...ON_SQLITE, storage: settingsOf(url) },
  });
  const get = async (path: string) => {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    return (await fetch(`${server.address}${path}`, { headers })).text();
  };
  expect(await get('/api/projects/app/builds/1/artifacts/shop-1.2.3.tar.gz')).toBe('content of 1');
  expect(await get(LOG_AT)).toBe(`${LOG}1\n`);
  expect(JSON.parse(await get(`${LOG_AT}/lines?from=-1`))).toMatchObject({
    total: 4,
    lines: [{ text: '1' }],
  });
  expect(await get(LOG_AT.replace('/1/', '/3/'))).toBe('still ');
  const runner = await PuppetRunner.connect(server);
  Object.assign(runner, { token });
  expect((await runner.log(work, 6, 'running\n')).body).toEqual({ size: 14 });
  expect(await get(LOG_AT.replace('/1/', '/3/'))).toBe('still running\n');
});

test('what is damaged or missing is named, and not taken for what it was', async () => {
  using data = tempDir();
  const url = await s3.bucket('damaged');
  await fill(data.path);
  const blob = sha256('content of 1');
  writeFileSync(data.join('blobs', blob.slice(0, 2), blob), randomBytes(12));
  const database = await openDatabase(data.join('reprise.db'));
  const { id } = await database.db
    .selectFrom('attempts')
    .select('id')
    .where('log_sha256', '=', sha256(`${LOG}2\n`))
    .executeTakeFirstOrThrow();
  await database.close();
  const log = data.join('logs', id.slice(-2), `${id}.log`);
  writeFileSync(log, readFileSync(log, 'utf8').replace('two', 'TWO'));
  const { problems } = await copy(data.path, url);
  expect(problems).toEqual([
    `The blob ${blob} is damaged and was not copied.`,
    `The blob ${blob} of the artifact shop-1.2.3.tar.gz is in neither storage.`,
    expect.stringContaining(`The log ${id.slice(-2)}/${id}.log is not what was recorded`),
  ]);
});

/** Two builds that passed, with an artifact of their own each, and one that runs. */
async function fill(dataDir: string) {
  await using server = await QueueServer.start({ dataDir, config: ON_SQLITE });
  const runner = await PuppetRunner.connect(server);
  const artifacts = [{ name: 'shop', paths: ['dist'], exclude: [] }];
  for (const number of [1, 2]) {
    await server.build({ name: 'build', artifacts });
    const work = await runner.take();
    const [content, manifest, log] = [`content of ${number}`, manifestEnd(number === 1), `${LOG}${number}\n`];
    await runner.log(work, 0, log);
    for (const bytes of [content, manifest]) await runner.putBlob(work, bytes);
    const finish = {
      artifacts: [packed('shop', content, manifest)],
      logSize: log.length,
      logSha256: digest(log),
    };
    expect((await runner.finish(work, finish)).status).toBe(200);
  }
  await server.build({ name: 'build' });
  const work = await runner.take();
  await runner.log(work, 0, 'still ');
  return { token: runner.token, work };
}

async function copy(dataDir: string, url: string) {
  const database = await openDatabase(`${dataDir}/reprise.db`);
  await using from = await openStorage(null, dataDir);
  await using to = await openStorage(settingsOf(url), dataDir);
  const log = pino({ level: 'silent' });
  const running = new SharedLogs({ ...database, objects: to.logs, log, now: Date.now });
  try {
    return await copyStorage({ from, to, db: database.db, running });
  } finally {
    await running.close();
    await database.close();
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
