import type { Kysely } from 'kysely';
import { blobKey } from '../artifacts/blob.store.ts';
import type { Database } from '../db/schema.ts';
import { keysOfLog } from '../logs/stored-log.ts';

/** Rows read at once. */
const PAGE = 500;

/** An object that the records lead to. */
export interface KeptObject {
  store: 'blobs' | 'logs';
  key: string;
  /** Of whom it is, for people. */
  what: string;
  /** As recorded; null: of a log that was not finished, or of an index. */
  sha256: string | null;
  /** A log that nobody wrote to has no object, nor has an index to be there. */
  isNeeded: boolean;
}

/** Every object of the storage that a database leads to: blobs, and logs, each index before its log. */
export async function* keptObjects(db: Kysely<Database>): AsyncGenerator<KeptObject> {
  yield* keptBlobs(db);
  yield* keptLogs(db);
}

/** Every blob: artifacts, their manifests, and bundles of pinned commits. */
export async function* keptBlobs(
  db: Kysely<Database>,
): AsyncGenerator<KeptObject & { store: 'blobs'; sha256: string }> {
  yield* keptOfArtifacts(db);
  yield* keptBundles(db);
}

async function* keptOfArtifacts(db: Kysely<Database>) {
  for (const column of ['sha256', 'manifest_sha256'] as const) {
    for (let last = ''; ; ) {
      const rows = await db
        .selectFrom('artifacts')
        .select([`${column} as digest`, (eb) => eb.fn.min('file_name').as('file')])
        .where(column, '>', last)
        .groupBy(column)
        .orderBy(column)
        .limit(PAGE)
        .execute();
      for (const { digest, file } of rows) {
        const what = column === 'sha256' ? `the artifact ${file}` : `the list of files of ${file}`;
        yield { store: 'blobs' as const, key: blobKey(digest), what, sha256: digest, isNeeded: true };
      }
      if (rows.length < PAGE) break;
      last = rows.at(-1)?.digest ?? '';
    }
  }
}

/** Few: a project has as many as its size has digits. */
async function* keptBundles(db: Kysely<Database>) {
  const rows = await db
    .selectFrom('bundles')
    .innerJoin('projects', 'projects.id', 'bundles.project_id')
    .select(['bundles.sha256', 'bundles.number', 'projects.name'])
    .orderBy('projects.name')
    .orderBy('bundles.number')
    .execute();
  for (const { sha256, number, name } of rows) {
    const what = `bundle ${number} of the pinned commits of ${name}`;
    yield { store: 'blobs' as const, key: blobKey(sha256), what, sha256, isNeeded: true };
  }
}

async function* keptLogs(db: Kysely<Database>): AsyncGenerator<KeptObject> {
  for (let last = ''; ; ) {
    const rows = await db
      .selectFrom('attempts')
      .leftJoin('logs', 'logs.attempt_id', 'attempts.id')
      .select(['attempts.id', 'attempts.log_size', 'attempts.log_sha256', 'logs.stored'])
      .where('attempts.id', '>', last)
      .orderBy('attempts.id')
      .limit(PAGE)
      .execute();
    for (const { id, log_size, log_sha256, stored } of rows) {
      // Its bytes are rows of the database.
      if (stored === 0) continue;
      const { log, index } = keysOfLog(id);
      const what = `the log of attempt ${id}`;
      yield { store: 'logs', key: index, what: `the index of ${what}`, sha256: null, isNeeded: false };
      yield { store: 'logs', key: log, what, sha256: log_sha256, isNeeded: log_size > 0 };
    }
    if (rows.length < PAGE) return;
    last = rows.at(-1)?.id ?? '';
  }
}
