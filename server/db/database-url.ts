import { Secret } from '../secret.ts';

/** Reads `DATABASE_URL`; null: SQLite. It holds a password, so it is never shown, not even where it is wrong. */
export function parseDatabaseUrl(value: string | null, problems: string[]): Secret | null {
  if (value === null) return null;
  // Without a host it is a local socket, which `?host=` may name.
  const address = value.replace(/@(?=\/)/, '@localhost');
  if (/^postgres(ql)?:\/\//.test(value) && URL.canParse(address)) return new Secret(value);
  problems.push(
    'DATABASE_URL must be an address such as postgres://reprise:PASSWORD@db.example.com/reprise.',
  );
  return null;
}
