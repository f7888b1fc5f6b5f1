import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';

/** Those of some blobs' digests that a record names: as an artifact, as an artifact's list of files, or as a bundle. */
export async function namedBlobs(db: Kysely<Database>, digests: readonly string[]): Promise<Set<string>> {
  if (digests.length === 0) return new Set();
  const rows = await db
    .selectFrom('artifacts')
    .select('sha256')
    .where('sha256', 'in', digests)
    .union(
      db.selectFrom('artifacts').select('manifest_sha256 as sha256').where('manifest_sha256', 'in', digests),
    )
    .union(db.selectFrom('bundles').select('sha256').where('sha256', 'in', digests))
    .execute();
  return new Set(rows.map(({ sha256 }) => sha256));
}
