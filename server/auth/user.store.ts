import type { Kysely } from 'kysely';
import { isTaken } from '../db/dialect.ts';
import type { Database, User } from '../db/schema.ts';
import { notFound, Refusal } from '../http/refusal.ts';

/** The user of that login; refused 404 where there is none. */
export async function userOf(db: Kysely<Database>, login: string): Promise<User> {
  const user = await findUser(db, login);
  if (!user) throw notFound(`The user ${JSON.stringify(login)}`);
  return user;
}

export function findUser(db: Kysely<Database>, login: string): Promise<User | undefined> {
  return db.selectFrom('users').selectAll().where('login', '=', login).executeTakeFirst();
}

export function userWithId(db: Kysely<Database>, id: string): Promise<User> {
  return db.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
}

export function listUsers(
  db: Kysely<Database>,
  { before, limit }: { before: string | undefined; limit: number },
): Promise<User[]> {
  return db
    .selectFrom('users')
    .selectAll()
    .$if(before !== undefined, (query) => query.where('login', '>', before ?? ''))
    .orderBy('login')
    .limit(limit + 1)
    .execute();
}

/** Of each user the projects where they are a member, by name. */
export async function membershipsOf(
  db: Kysely<Database>,
  userIds: readonly string[],
): Promise<Map<string, { project: string; role: User['role'] & string }[]>> {
  if (userIds.length === 0) return new Map();
  const rows = await db
    .selectFrom('memberships')
    .innerJoin('projects', 'projects.id', 'memberships.project_id')
    .select(['memberships.user_id', 'projects.name as project', 'memberships.role'])
    .where('memberships.user_id', 'in', userIds)
    .orderBy('projects.name')
    .execute();
  const byUser = Map.groupBy(rows, ({ user_id }) => user_id);
  return new Map([...byUser].map(([id, held]) => [id, held.map(({ project, role }) => ({ project, role }))]));
}

/** Ids of everything a user's programs and browsers come in with: their sockets are closed when rights change. */
export async function credentialsOf(db: Kysely<Database>, userId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('sessions')
    .select('id')
    .where('user_id', '=', userId)
    .unionAll(db.selectFrom('tokens').select('id').where('user_id', '=', userId))
    .execute();
  return rows.map(({ id }) => id);
}

/** Whether some administrator can sign in, or has before: one who was only invited does not count. */
export async function hasActiveAdmin(db: Kysely<Database>): Promise<boolean> {
  const admin = await db
    .selectFrom('users')
    .select('id')
    .where('role', '=', 'admin')
    .where('disabled', '=', 0)
    .where((eb) => eb.or([eb('password', 'is not', null), eb('last_seen_at', 'is not', null)]))
    .limit(1)
    .executeTakeFirst();
  return admin !== undefined;
}

/** As `User.state` says it. */
export function stateOf(user: User): 'active' | 'invited' | 'disabled' {
  if (user.disabled === 1) return 'disabled';
  return user.password === null && user.last_seen_at === null ? 'invited' : 'active';
}

/** The refusal that a taken login or GitHub account means; anything else as it was. */
export function asTaken(
  error: unknown,
  given: { login?: string; github?: string | null | undefined },
): unknown {
  if (isTaken(error, 'users', 'login'))
    return new Refusal(409, 'name-taken', `There is a user ${given.login} already. Choose another login.`);
  if (isTaken(error, 'users', 'github'))
    return new Refusal(
      409,
      'name-taken',
      `The GitHub account ${given.github} belongs to another user already: take it from that one first.`,
    );
  return error;
}
