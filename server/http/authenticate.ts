import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Kysely } from 'kysely';
import { ANONYMOUS, type Caller, isSignedIn, roleIn } from '../auth/caller.ts';
import { greater, isAtLeast, lesser, type Role } from '../auth/role.ts';
import { SESSION_IDLE_MS } from '../auth/session.ts';
import type { ServerConfig } from '../config.ts';
import type { Database } from '../db/schema.ts';
import { sessionCookieOf } from './cookie.ts';
import { notFound, Refusal } from './refusal.ts';
import type { Policy } from './route.ts';

/** What a request shows: a bearer token, or the cookie of a session. None is ever valid as another. */
export type Credential =
  | { kind: 'bearer'; key: string }
  /** `isVouchedFor`: by the browser, that this host has set the cookie over TLS. */
  | { kind: 'session'; key: string; isVouchedFor: boolean };

/** Finds out whom a credential lets in. null: nobody we know, or no longer. */
export type Authenticate = (credential: Credential) => Promise<Caller | null>;

/** Prefixes, so that a credential is told from another's at a glance, by secret scanners and here. */
const RUNNER = 'rpr_';
const API_TOKEN = 'rpu_';

/** When it was last used is written at most so often. */
const SEEN_EVERY_MS = 60_000;

const OPERATOR: Caller = { ...ANONYMOUS, kind: 'operator', name: 'operator', role: 'admin' };

/** The operator's token from the configuration; runners, API tokens and sessions from the database, by their sha256. */
export function makeAuthenticate(
  config: ServerConfig,
  db: Kysely<Database>,
  now: () => number = Date.now,
): Authenticate {
  const operator = config.adminToken && sha256(config.adminToken.reveal());
  // Where sessions come with a secure cookie, a plain one is not from here: it would sign a visitor in as somebody else.
  const isVouchedForOnly = config.url?.startsWith('https://') ?? false;
  return async (credential) => {
    const { key } = credential;
    const hash = sha256(key);
    if (credential.kind === 'session') {
      if (isVouchedForOnly && !credential.isVouchedFor) return null;
      return bySession(db, hash.toString('hex'), now());
    }
    if (operator && timingSafeEqual(hash, operator)) return OPERATOR;
    if (key.startsWith(RUNNER)) return byRunner(db, hash.toString('hex'));
    if (key.startsWith(API_TOKEN)) return byToken(db, hash.toString('hex'), now());
    return null;
  };
}

/** What the headers show; a bearer token goes before a cookie. `malformed`: an `Authorization` that is none. */
export function credentialOf(
  headers: Pick<IncomingHttpHeaders, 'authorization' | 'cookie'>,
): Credential | 'malformed' | null {
  if (headers.authorization !== undefined) {
    const key = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(headers.authorization)?.[1];
    return key === undefined ? 'malformed' : { kind: 'bearer', key };
  }
  const cookie = sessionCookieOf(headers);
  return cookie && { kind: 'session', ...cookie };
}

/** Who sends a request. A token that is not known is refused; a session that is over is nobody, as its page will be told. */
export async function callerOf(
  { headers }: { headers: IncomingHttpHeaders },
  authenticate: Authenticate,
): Promise<Caller> {
  const credential = credentialOf(headers);
  if (credential === null) return ANONYMOUS;
  const caller = credential === 'malformed' ? null : await authenticate(credential);
  if (caller) return caller;
  if (credential !== 'malformed' && credential.kind === 'session') return ANONYMOUS;
  throw new Refusal(
    401,
    'unauthenticated',
    'This token is not known here. It may have been revoked or mistyped, or it has expired.',
  );
}

/** Refuses a caller that the route's policy does not let in. `project`: the name in the path, where it has one. */
export function authorize(policy: Policy, caller: Caller, project: string | null): void {
  if (policy === 'public') return;
  if (policy === 'runner' ? caller.runner !== null : isSignedIn(caller)) {
    if (policy === 'runner' || policy === 'signed-in') return;
    const role = project === null ? caller.role : roleIn(caller, project);
    if (isAtLeast(role, policy)) return;
    if (project !== null && role === null) throw notFound(`The project ${JSON.stringify(project)}`);
  }
  if (caller.kind === 'anonymous') {
    const sentence = 'Say who you are: sign in, or send the header "Authorization: Bearer TOKEN".';
    throw new Refusal(401, 'unauthenticated', sentence);
  }
  const needed =
    policy === 'runner' ? "a runner's token" : policy === 'signed-in' ? 'an account' : `the role ${policy}`;
  throw new Refusal(403, 'forbidden', `${caller.name} may not do this: it needs ${needed}.`);
}

async function byRunner(db: Kysely<Database>, hash: string): Promise<Caller | null> {
  const runner = await db.selectFrom('runners').selectAll().where('token_hash', '=', hash).executeTakeFirst();
  return runner ? { ...ANONYMOUS, kind: 'runner', name: `runner ${runner.name}`, runner } : null;
}

async function bySession(db: Kysely<Database>, hash: string, now: number): Promise<Caller | null> {
  const found = await db
    .selectFrom('sessions')
    .innerJoin('users', 'users.id', 'sessions.user_id')
    .select(['sessions.id', 'sessions.last_seen_at', 'sessions.expires_at'])
    .select(['users.id as userId', 'users.login', 'users.role', 'users.disabled'])
    .where('sessions.key_hash', '=', hash)
    .executeTakeFirst();
  if (!found || found.disabled) return null;
  if (found.expires_at <= now || found.last_seen_at + SESSION_IDLE_MS <= now) return null;
  if (found.last_seen_at + SEEN_EVERY_MS <= now) {
    await db.updateTable('sessions').set({ last_seen_at: now }).where('id', '=', found.id).execute();
    await noteSeen(db, found.userId, now);
  }
  return {
    ...ANONYMOUS,
    kind: 'user',
    name: found.login,
    userId: found.userId,
    credentialId: found.id,
    role: found.role,
    projectRoles: await membershipsOf(db, found.userId),
  };
}

async function byToken(db: Kysely<Database>, hash: string, now: number): Promise<Caller | null> {
  const found = await db
    .selectFrom('tokens')
    .innerJoin('users', 'users.id', 'tokens.user_id')
    .leftJoin('projects', 'projects.id', 'tokens.project_id')
    .select([
      'tokens.id',
      'tokens.name',
      'tokens.role as most',
      'tokens.project_id',
      'projects.name as project',
    ])
    .select(['tokens.expires_at', 'tokens.last_used_at'])
    .select(['users.id as userId', 'users.login', 'users.role', 'users.disabled'])
    .where('tokens.key_hash', '=', hash)
    .executeTakeFirst();
  if (!found || found.disabled || (found.expires_at !== null && found.expires_at <= now)) return null;
  if ((found.last_used_at ?? 0) + SEEN_EVERY_MS <= now) {
    await db.updateTable('tokens').set({ last_used_at: now }).where('id', '=', found.id).execute();
    await noteSeen(db, found.userId, now);
  }
  const held = await membershipsOf(db, found.userId);
  return {
    ...ANONYMOUS,
    kind: 'token',
    name: found.login,
    via: found.name,
    userId: found.userId,
    credentialId: found.id,
    ...scoped({ role: found.role, projectRoles: held }, found),
  };
}

/** Never more than the owner has, never more than the token is for. */
function scoped(
  { role, projectRoles }: Pick<Caller, 'role' | 'projectRoles'>,
  { most, project_id, project }: { most: Role; project_id: string | null; project: string | null },
): Pick<Caller, 'role' | 'projectRoles'> {
  const within = (held: Role | null) => lesser(held, most);
  const entries =
    project_id === null
      ? [...projectRoles]
      : [[project ?? '', greater(role, projectRoles.get(project ?? '') ?? null)] as const];
  const roles = entries.flatMap(([name, held]) => {
    const left = within(held);
    return left === null ? [] : [[name, left] as const];
  });
  return { role: project_id === null ? within(role) : null, projectRoles: new Map(roles) };
}

async function membershipsOf(db: Kysely<Database>, userId: string): Promise<Map<string, Role>> {
  const rows = await db
    .selectFrom('memberships')
    .innerJoin('projects', 'projects.id', 'memberships.project_id')
    .select(['projects.name', 'memberships.role'])
    .where('memberships.user_id', '=', userId)
    .execute();
  return new Map(rows.map(({ name, role }) => [name, role]));
}

async function noteSeen(db: Kysely<Database>, userId: string, now: number): Promise<void> {
  await db.updateTable('users').set({ last_seen_at: now }).where('id', '=', userId).execute();
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
