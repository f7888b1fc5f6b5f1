import type { Kysely } from 'kysely';
import { iso } from '../api.ts';
import type { Database } from '../db/schema.ts';
import type { Token } from './account.api.ts';

/** API tokens, newest first; of one user where `userId` is given. */
export async function listTokens(db: Kysely<Database>, userId: string | null): Promise<Token[]> {
  const rows = await selectTokens(db)
    .$if(userId !== null, (query) => query.where('tokens.user_id', '=', userId ?? ''))
    .orderBy('tokens.created_at', 'desc')
    .orderBy('tokens.id')
    .execute();
  return rows.map(view);
}

export async function findToken(
  db: Kysely<Database>,
  id: string,
): Promise<{ token: Token; userId: string } | null> {
  const row = await selectTokens(db).where('tokens.id', '=', id).executeTakeFirst();
  return row ? { token: view(row), userId: row.user_id } : null;
}

function selectTokens(db: Kysely<Database>) {
  return db
    .selectFrom('tokens')
    .innerJoin('users', 'users.id', 'tokens.user_id')
    .leftJoin('projects', 'projects.id', 'tokens.project_id')
    .select(['tokens.id', 'tokens.user_id', 'tokens.name', 'tokens.role', 'tokens.created_at'])
    .select(['tokens.last_used_at', 'tokens.expires_at', 'users.login as owner', 'projects.name as project']);
}

type Row = Awaited<ReturnType<ReturnType<typeof selectTokens>['executeTakeFirstOrThrow']>>;

function view(row: Row): Token {
  return {
    id: row.id,
    name: row.name,
    owner: row.owner,
    role: row.role,
    project: row.project,
    createdAt: iso(row.created_at),
    lastUsedAt: iso(row.last_used_at),
    expiresAt: iso(row.expires_at),
  };
}
