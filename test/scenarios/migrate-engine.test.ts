import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Build } from '@reprise/server/api.ts';
import { expect, test } from 'vitest';
import { enter, PASSWORD, signIn } from '../rig/accounts.ts';
import { PostgresServer } from '../rig/postgres.ts';
import { startReprise } from '../rig/process.ts';
import { ADMIN_TOKEN, Rig } from '../rig/reprise.ts';
import { startS3 } from '../rig/s3.ts';

const PIPELINE = JSON.stringify({
  version: 1,
  jobs: { make: { steps: [{ run: 'echo made' }], artifact: { name: 'site', paths: ['data'] } } },
  environments: { staging: { path: '/srv/shop', hosts: ['local'] } },
});

/** Whatever engine the other tests are run on. */
const ON_SQLITE = { DATABASE_URL: '' };

test('an installation on SQLite is moved to PostgreSQL and S3, and goes on where it was', async () => {
  await using postgres = await PostgresServer.start();
  await using s3 = await startS3();
  await using rig = await Rig.start({ command: 'up', env: ON_SQLITE });
  const project = await rig.project('shop', { '.reprise.yml': PIPELINE, data: 'some bytes\n' });
  for (const reason of ['First', 'Second']) {
    const asked = { ref: project.head, reason };
    const { number } = await rig.api<Build>('POST', '/api/projects/shop/builds', asked);
    await rig.ended('shop', number);
  }
  const before = await rig.api<{ items: Build[] }>('GET', '/api/projects/shop/builds');
  await signIn(rig, { login: 'ada', role: 'developer' });
  const log = await rig.log('shop', 1, 'make');
  await rig.server.stop();

  const engines = {
    DATABASE_URL: await postgres.freshDatabase(),
    STORAGE_URL: await s3.bucket('moved'),
  };
  const settings = { ...engines, REPRISE_DATA_DIR: rig.path('data'), HOME: rig.path('home') };
  const move = startReprise(['migrate-engine'], settings);
  await move.line(/^Start the server with the same settings/);
  expect(move.output()).toMatch(/^builds +2$/m);
  expect(existsSync(rig.path('data', 'reprise.db'))).toBe(false);
  const again = startReprise(['migrate-engine'], settings);
  await again.line(/There is no reprise\.db in/);

  await rig.startServer(engines);
  expect(await rig.api('GET', '/api/projects/shop/builds')).toEqual(before);
  expect(await rig.log('shop', 1, 'make')).toBe(log);
  const [artifact] = before.items[0]?.artifacts ?? [];
  const download = await rig.fetch(new URL(artifact?.url ?? '').pathname);
  const bytes = Buffer.from(await download.arrayBuffer());
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(artifact?.sha256);
  await enter(rig, { login: 'ada', password: PASSWORD });

  const { number } = await rig.api<Build>('POST', '/api/projects/shop/builds/1/rebuild', {
    reason: 'After',
  });
  expect(number).toBe(3);
  const rebuilt = await rig.ended('shop', number);
  expect(rebuilt).toMatchObject({
    status: 'passed',
    artifacts: [{ sha256: artifact?.sha256, reproducibility: { state: 'identical' } }],
  });
  const audit = startReprise(['verify-audit'], {
    HOME: rig.path('home'),
    REPRISE_SERVER: rig.address,
    REPRISE_TOKEN: ADMIN_TOKEN,
  });
  await audit.line(/whole|valid|unbroken/i);
});

test('a database that holds something is not moved to, and nothing is touched', async () => {
  await using postgres = await PostgresServer.start();
  const DATABASE_URL = await postgres.freshDatabase();
  await using other = await Rig.start({ env: { DATABASE_URL } });
  await other.project('taken', {});
  await using rig = await Rig.start({ env: { DATABASE_URL: '' } });
  await rig.project('shop', {});
  await rig.server.stop();
  const settings = { DATABASE_URL, REPRISE_DATA_DIR: rig.path('data'), HOME: rig.path('home') };
  const move = startReprise(['migrate-engine'], settings);
  await move.line(/The database at DATABASE_URL is not empty: its table \w+ has rows/);
  expect(existsSync(rig.path('data', 'reprise.db'))).toBe(true);
});
