import type { SqliteDatabase, SqliteStatement } from 'kysely';

/** Texts of queries in this program: some hundreds, and a few more by the lengths of their lists. */
const MOST_STATEMENTS = 1000;

/**
 * The same database, but a query that was prepared before is not prepared again: the query layer asks for a new statement
 * each time, and preparing costs several times what most of them take. Expects one query at a time, as the query layer
 * keeps it on a connection of SQLite.
 */
export function rememberStatements(sqlite: SqliteDatabase): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>();
  return {
    close: () => sqlite.close(),
    prepare(text) {
      const known = statements.get(text);
      if (known) return known;
      const prepared = sqlite.prepare(text);
      if (statements.size >= MOST_STATEMENTS) statements.clear();
      statements.set(text, prepared);
      return prepared;
    },
  };
}
