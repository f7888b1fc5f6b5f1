import { Refusal } from './refusal.ts';

/** The last is PostgreSQL's. */
const FULL = ['ENOSPC', 'EDQUOT', 'SQLITE_FULL', '53100'];

/** The refusal (507) that an error means whose cause is a full disk of the server; null: it is another. */
export function diskFull(error: unknown): Refusal | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown };
    if (!FULL.includes(String(code))) continue;
    const sentence = "The server's disk is full, so nothing was stored. Free some space and send it again.";
    return new Refusal(507, 'disk-full', sentence);
  }
  return null;
}
