import type { Kysely } from 'kysely';
import { iso } from '../api.ts';
import type { Database, User as UserRow } from '../db/schema.ts';
import type { User } from './account.api.ts';
import { membershipsOf, stateOf } from './user.store.ts';

/** Users as the API shows them, in the same order. */
export async function viewUsers(db: Kysely<Database>, users: readonly UserRow[]): Promise<User[]> {
  const memberships = await membershipsOf(
    db,
    users.map(({ id }) => id),
  );
  return users.map((user) => ({
    login: user.login,
    name: user.name,
    role: user.role,
    projects: memberships.get(user.id) ?? [],
    github: user.github,
    state: stateOf(user),
    createdAt: iso(user.created_at),
    lastSeenAt: iso(user.last_seen_at),
  }));
}

export async function viewUser(db: Kysely<Database>, user: UserRow): Promise<User> {
  const [view] = await viewUsers(db, [user]);
  if (!view) throw new Error('One user was asked for and none came back.');
  return view;
}
