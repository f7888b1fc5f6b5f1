import type { Kysely } from 'kysely';
import type { AuditRow, Database } from '../db/schema.ts';
import type { AuditHead } from './audit.api.ts';
import { viewEntry } from './audit.view.ts';

/** Entries read at once: what is held in memory does not grow with the audit. */
const PAGE = 500;

/** The audit as lines of JSON, oldest entry first; the last line is `{"head": …}`, which the entries before it lead to. */
export async function* exportAudit(db: Kysely<Database>, head: AuditHead): AsyncGenerator<string> {
  let done = 0;
  while (done < head.seq) {
    const rows: AuditRow[] = await db
      .selectFrom('audit')
      .selectAll()
      .where('seq', '>', done)
      .where('seq', '<=', head.seq)
      .orderBy('seq')
      .limit(PAGE)
      .execute();
    const last = rows.at(-1);
    if (!last) break;
    yield rows.map((row) => `${JSON.stringify(viewEntry(row))}\n`).join('');
    done = last.seq;
  }
  yield `${JSON.stringify({ head })}\n`;
}
