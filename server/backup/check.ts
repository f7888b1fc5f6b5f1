import type { Kysely } from 'kysely';
import { viewEntry } from '../audit/audit.view.ts';
import { NO_PREVIOUS_HASH } from '../audit/chain.ts';
import { whyBroken } from '../audit/verify.ts';
import type { AuditRow, Database } from '../db/schema.ts';
import { sha256Of } from '../digest.ts';
import type { Storage } from '../storage/open.ts';
import { problemsOfDatabase } from './copied-database.ts';
import { keptObjects } from './kept-bytes.ts';

/** What was looked at, and what is wrong, as sentences; none: everything is as it was recorded. */
export interface Checked {
  entries: number;
  objects: number;
  bytes: number;
  problems: string[];
}

/**
 * Looks whether an installation is whole: the database file, references between rows, the chain of the audit, and of every
 * artifact and log that the records lead to its bytes. `withBytes: false`: only that they are there.
 */
export async function checkInstallation(
  db: Kysely<Database>,
  storage: Storage,
  { withBytes }: { withBytes: boolean },
): Promise<Checked> {
  const checked: Checked = { entries: 0, objects: 0, bytes: 0, problems: await problemsOfDatabase(db) };
  await checkAudit(db, checked);
  for await (const { store, key, what, sha256, isNeeded } of keptObjects(db)) {
    const object = await storage[store].open(key);
    if (!object) {
      if (isNeeded) checked.problems.push(`The bytes of ${what} are missing (${store}/${key}).`);
      continue;
    }
    try {
      checked.objects += 1;
      checked.bytes += object.size;
      if (withBytes && sha256 !== null && (await sha256Of(object.all())) !== sha256)
        checked.problems.push(`The bytes of ${what} are not what was recorded (${store}/${key}).`);
    } finally {
      await object.close();
    }
  }
  return checked;
}

/** Entries read at once. */
const PAGE = 500;

async function checkAudit(db: Kysely<Database>, checked: Checked): Promise<void> {
  let previous = { seq: 0, hash: NO_PREVIOUS_HASH };
  for (;;) {
    const rows: AuditRow[] = await db
      .selectFrom('audit')
      .selectAll()
      .where('seq', '>', previous.seq)
      .orderBy('seq')
      .limit(PAGE)
      .execute();
    for (const row of rows) {
      const entry = viewEntry(row);
      const broken = whyBroken(entry, previous);
      // Everything after the first break is wrong because of it.
      if (broken !== null) return void checked.problems.push(`The audit is not whole. ${broken}`);
      previous = entry;
      checked.entries += 1;
    }
    if (rows.length < PAGE) return;
  }
}
