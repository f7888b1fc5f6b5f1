import type { Kysely, KyselyPlugin } from 'kysely';
import { Migrator } from 'kysely/migration';
import { crashPoint } from '../crash-point.ts';
import { firstTables } from './migrations/0001-first-tables.ts';
import { accountsAndAudit } from './migrations/0002-accounts-and-audit.ts';
import { secrets } from './migrations/0003-secrets.ts';
import { promotions } from './migrations/0004-promotions.ts';
import { repeatsAndReports } from './migrations/0005-repeats-and-reports.ts';
import { scheduling } from './migrations/0006-scheduling.ts';
import { runningLogs } from './migrations/0007-running-logs.ts';
import { retention } from './migrations/0008-retention.ts';
import { severalServers } from './migrations/0009-several-servers.ts';
import { tries } from './migrations/0010-tries.ts';
import { registration } from './migrations/0011-registration.ts';
import { bundles } from './migrations/0012-bundles.ts';
import { queueOrder } from './migrations/0013-queue-order.ts';
import { enginesOfServers } from './migrations/0014-engines-of-servers.ts';
import { oldBuilds } from './migrations/0015-old-builds.ts';
import type { Database } from './schema.ts';

/** One number, one change; a released migration is never edited. */
const MIGRATIONS = {
  '0001-first-tables': firstTables,
  '0002-accounts-and-audit': accountsAndAudit,
  '0003-secrets': secrets,
  '0004-promotions': promotions,
  '0005-repeats-and-reports': repeatsAndReports,
  '0006-scheduling': scheduling,
  '0007-running-logs': runningLogs,
  '0008-retention': retention,
  '0009-several-servers': severalServers,
  '0010-tries': tries,
  '0011-registration': registration,
  '0012-bundles': bundles,
  '0013-queue-order': queueOrder,
  '0014-engines-of-servers': enginesOfServers,
  '0015-old-builds': oldBuilds,
};

/** Those names of migrations that this program does not know: a newer one has worked on that database. */
export function unknownMigrations(names: readonly string[]): string[] {
  return names.filter((name) => !Object.hasOwn(MIGRATIONS, name));
}

const CRASH_POINTS: KyselyPlugin = {
  transformQuery({ node }) {
    crashPoint('migration');
    return node;
  },
  transformResult: async ({ result }) => result,
};

/**
 * Brings the database to this program's schema in one transaction: a process that dies meanwhile has changed nothing. Throws where it
 * was written by a newer Reprise.
 */
export async function migrate(db: Kysely<Database>): Promise<void> {
  const migrator = new Migrator({
    db: db.withPlugin(CRASH_POINTS),
    provider: { getMigrations: async () => MIGRATIONS },
  });
  const { error } = await migrator.migrateToLatest();
  if (!error) return;
  const newer = error instanceof Error && /previously executed migration .* is missing/.test(error.message);
  throw new Error(
    newer
      ? 'This database was written by a newer Reprise. Start that version, or restore the backup made before it.'
      : 'The database could not be brought to this version of Reprise.',
    { cause: error },
  );
}
