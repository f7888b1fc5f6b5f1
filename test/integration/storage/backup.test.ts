import { readdirSync } from 'node:fs';
import { BlobStore } from '@reprise/server/artifacts/blob.store.ts';
import { backUp } from '@reprise/server/backup/back-up.ts';
import { checkInstallation } from '@reprise/server/backup/check.ts';
import { openToRead } from '@reprise/server/backup/copied-database.ts';
import { restore } from '@reprise/server/backup/restore.ts';
import type { SharedLogs } from '@reprise/server/logs/shared-logs.ts';
import { openStorage } from '@reprise/server/storage/open.ts';
import { expect, test } from 'vitest';
import { Promotable } from '../../rig/promotable.ts';
import { sha256 } from '../../rig/puppet-runner.ts';
import { settingsOf, startS3 } from '../../rig/s3.ts';
import { tempDir } from '../../rig/temp.ts';

test('an installation with its bytes in S3 is backed up to files, and restored to another bucket or to a disk', async () => {
  await using s3 = await startS3();
  await using shop = await Promotable.start({}, { DATABASE_URL: '', STORAGE_URL: await s3.bucket('first') });
  using dir = tempDir();
  const { services } = shop.here;
  await shop.build();
  const { body } = await shop.here.admin('POST', '/api/projects/shop/builds', { ref: shop.project.head });
  await shop.here.planned('shop', body.number);
  const work = await shop.builder.take();
  await shop.builder.log(work, 0, 'said\n');
  await shop.builder.finish(work, { status: 'failed', logSize: 5, logSha256: sha256('said\n') });
  await (services.logs as SharedLogs).storeFinished();
  await services.bundles.store();
  const bundle = await services.db.selectFrom('bundles').select('sha256').executeTakeFirstOrThrow();

  const head = await backUp(services.config, { to: dir.join('backup'), withKey: true });
  expect(head.problems).toEqual([]);
  expect(readdirSync(dir.join('backup')).sort()).toContain('secret.key');
  const elsewhere = settingsOf(await s3.bucket('second'));
  for (const [name, storage] of Object.entries({ bucket: elsewhere, disk: null })) {
    const dataDir = dir.join(name);
    const { checked } = await restore({ dataDir, storage }, dir.join('backup'));
    expect(checked.problems).toEqual([]);
    await using opened = await openStorage(storage, dataDir);
    expect((await new BlobStore(opened.blobs).readSmall(sha256('content 1'))).toString()).toBe('content 1');
    expect(await new BlobStore(opened.blobs).has(bundle.sha256)).toBe(true);
    const db = openToRead(`${dataDir}/reprise.db`);
    const whole = await checkInstallation(db, opened, { withBytes: true });
    expect(whole).toMatchObject({ problems: [], objects: expect.any(Number) });
    await opened.blobs.remove(`${sha256('content 1').slice(0, 2)}/${sha256('content 1')}`);
    const broken = await checkInstallation(db, opened, { withBytes: true });
    expect(broken.problems).toEqual([expect.stringContaining('are missing (blobs/')]);
    await db.destroy();
  }
});
