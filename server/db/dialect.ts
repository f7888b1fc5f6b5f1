import {
  type ColumnDefinitionBuilder,
  type Expression,
  type Kysely,
  PostgresAdapter,
  type RawBuilder,
  type SqlBool,
  sql,
} from 'kysely';

/** Where the engines differ in what no query says alike: asked by migrations, and where turns are taken. */
export function isPostgres(db: Pick<Kysely<unknown>, 'getExecutor'>): boolean {
  return db.getExecutor().adapter instanceof PostgresAdapter;
}

/** The type and the rest of a column that numbers its rows in the order in which they are made. */
export function numbering(
  db: Kysely<unknown>,
): ['integer' | 'bigint', (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder] {
  return isPostgres(db)
    ? ['bigint', (column) => column.generatedByDefaultAsIdentity().primaryKey()]
    : ['integer', (column) => column.primaryKey().autoIncrement()];
}

/**
 * Whether a column's value is among those that `found` finds for the row which it is joined to. PostgreSQL would find them
 * anew for every row that has the column; of a list it takes the rows from the column's index, as SQLite does.
 */
export function isAmong(
  db: Pick<Kysely<unknown>, 'getExecutor'>,
  column: string,
  found: Expression<{ seq: number }>,
): RawBuilder<SqlBool> {
  return isPostgres(db)
    ? sql`${sql.ref(column)} = any(array(${found}))`
    : sql`${sql.ref(column)} in (${found})`;
}

/** Whether a statement was refused because another row has that value in a unique column, or in the index `<table>_<column>`. */
export function isTaken(error: unknown, table: string, column: string): boolean {
  const { code, message, constraint } = error as { code?: string; message?: string; constraint?: string };
  if (code === '23505') return constraint === `${table}_${column}_key` || constraint === `${table}_${column}`;
  if (code !== 'SQLITE_CONSTRAINT_UNIQUE') return false;
  return [`${table}.${column}`, `${table}_${column}`].some((name) => String(message).includes(name));
}
