import type { Transaction } from 'kysely';
import { recordAudit } from '../audit/record.ts';
import { newId } from '../db/id.ts';
import type { Database, User } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { ANONYMOUS, type Caller } from './caller.ts';
import type { SignInLimits } from './limits.ts';
import { findLink, takeLink } from './link.ts';
import { type HashLine, hashPassword, verifyPassword } from './password.ts';
import { endSessions, type Place, startSession } from './session.ts';
import { asTaken, findUser, hasActiveAdmin } from './user.store.ts';

/** What signing in needs beside the services: one line of hashes and one count of tries for the whole server. */
export interface Accounts {
  services: Services;
  line: HashLine;
  limits: SignInLimits;
}

/** A session just opened: the cookie's value, whose it is, and whose sockets must be closed for it. */
export interface Opened {
  key: string;
  expiresAt: number;
  userId: string;
  /** Sessions that ended with it. */
  ended: string[];
}

/** What somebody brings along: from where, and as whom they were signed in until now (that session ends). */
export interface Arriving {
  place: Place;
  caller: Caller;
}

/**
 * Signs in with a password. Refused 401 alike for an unknown login, a wrong password, a disabled user and one without a
 * password, after the same time; 429 after too many failures; 503 when too many wait. Failures are recorded.
 */
export async function signInByPassword(
  accounts: Accounts,
  { login, password }: { login: string; password: string },
  arriving: Arriving,
): Promise<Opened> {
  const { services } = accounts;
  const user = await findUser(services.db, login);
  const stored = user && user.disabled === 0 ? user.password : null;
  const isRight = await tryPassword(accounts, { login, stored, password, place: arriving.place });
  if (!isRight || !user) {
    await recordRefused(services, {
      action: 'session.refused',
      subject: nameOf(login),
      place: arriving.place,
      why: 'wrong login or password',
    });
    throw new Refusal(
      401,
      'wrong-password',
      'The login or the password is wrong. Whoever has forgotten theirs asks an administrator for a link.',
    );
  }
  return services.db.transaction().execute(async (trx) => {
    // It may have been disabled, or given another password, while the hash was made.
    const now = await findUser(trx, login);
    if (now?.id !== user.id || now.disabled === 1 || now.password !== user.password)
      throw new Refusal(401, 'wrong-password', 'The account was changed at this moment. Try again.');
    return openSession(services, trx, { user: now, how: 'password', ...arriving });
  });
}

/** Whether a password is right, in the line and within the limits of tries. */
export async function tryPassword(
  { services, line, limits }: Accounts,
  o: { login: string; stored: string | null; password: string; place: Place },
): Promise<boolean> {
  const { login, place } = o;
  const who = {
    account: login,
    address: place.address,
    isKnownPlace: () => isKnownPlace(services, login, place.address),
  };
  await limits.assertOpen(who);
  return line.run(async () => {
    await limits.take(who);
    const isRight = await verifyPassword(o.stored, o.password);
    if (isRight) await limits.succeeded(who);
    return isRight;
  });
}

/** What a one-time link is used with; which of it is needed depends on the link's kind. */
export interface LinkUse {
  link: string;
  password?: string | undefined;
  login?: string | undefined;
  name?: string | undefined;
}

/**
 * Uses a one-time link, once: makes the first administrator, gives a user the password they chose (their other sessions end),
 * or signs in. Refused 410 when the link is no longer good, 400 when something is missing.
 */
export async function signInByLink(accounts: Accounts, given: LinkUse, arriving: Arriving): Promise<Opened> {
  const { services, line } = accounts;
  const { link } = await findLink(services, services.db, given.link);
  assertComplete(link.kind, given);
  const password =
    given.password === undefined || link.kind === 'session'
      ? null
      : await line.run(() => hashPassword(given.password ?? ''));
  return services.db
    .transaction()
    .execute(async (trx) => {
      const taken = await takeLink(services, trx, given.link);
      if (taken.user === null) {
        const user = await makeFirstAdmin(services, trx, { ...given, password });
        return openSession(services, trx, { user, how: 'first-admin', ...arriving });
      }
      if (password === null)
        return openSession(services, trx, { user: taken.user, how: 'link', ...arriving });
      const ended = await setPassword(services, trx, { user: taken.user, password, how: 'link' });
      const opened = await openSession(services, trx, { user: taken.user, how: 'link', ...arriving });
      return { ...opened, ended: [...ended, ...opened.ended] };
    })
    .catch((error: unknown) => {
      throw asTaken(error, given);
    });
}

/**
 * Gives a user another password: every session of theirs ends, and every link they were sent. Answers the ids of the sessions.
 */
export async function setPassword(
  services: Services,
  trx: Transaction<Database>,
  { user, password, how }: { user: User; password: string; how: 'link' | 'page' },
): Promise<string[]> {
  await trx.updateTable('users').set({ password }).where('id', '=', user.id).execute();
  await trx.deleteFrom('links').where('user_id', '=', user.id).execute();
  await recordAudit(trx, {
    at: services.now(),
    by: { name: user.login, via: '' },
    action: 'password.change',
    subject: user.login,
    detail: { how },
  });
  return endSessions(trx, user.id);
}

/** Opens a session under a new key; the one that the same browser came with, if any, ends (session fixation). */
export async function openSession(
  services: Services,
  trx: Transaction<Database>,
  o: Arriving & { user: User; how: 'password' | 'link' | 'first-admin' | 'github' | 'password change' },
): Promise<Opened> {
  const { user, place, caller } = o;
  const ended =
    caller.kind === 'user' && caller.userId !== null && caller.credentialId !== null
      ? await endSessions(trx, caller.userId, { id: caller.credentialId })
      : [];
  const session = await startSession(services, trx, { userId: user.id, ...place });
  await trx.updateTable('users').set({ last_seen_at: services.now() }).where('id', '=', user.id).execute();
  await recordAudit(trx, {
    at: services.now(),
    by: { name: user.login, via: '' },
    action: 'session.create',
    subject: user.login,
    detail: { how: o.how, address: place.address },
  });
  return { ...session, userId: user.id, ended };
}

/** Records somebody or something that was not let in. How often this can happen is bounded by the limits of tries. */
export async function recordRefused(
  services: Services,
  o: { action: 'session.refused' | 'runner.refused'; subject: string; place: Place; why: string },
): Promise<void> {
  await services.db.transaction().execute((trx) =>
    recordAudit(trx, {
      at: services.now(),
      by: ANONYMOUS,
      action: o.action,
      subject: o.subject,
      reason: o.why,
      detail: { address: o.place.address },
    }),
  );
  services.live.changed('audit');
}

/** People type their password where the login belongs: what cannot be a login is not written down. */
function nameOf(typed: string): string {
  return /^[a-z0-9][a-z0-9._-]{0,38}$/.test(typed) ? typed : '(not a login)';
}

/** Whether one of the latest sign-ins of that account came from there. The record outlives the sessions. */
async function isKnownPlace({ db }: Services, login: string, address: string): Promise<boolean> {
  const latest = await db
    .selectFrom('audit')
    .select('detail')
    .where('actor', '=', login)
    .where('action', '=', 'session.create')
    .orderBy('seq', 'desc')
    .limit(LATEST_SIGN_INS)
    .execute();
  return latest.some(({ detail }) => JSON.parse(detail).address === address);
}

const LATEST_SIGN_INS = 20;

function assertComplete(kind: 'first-admin' | 'password' | 'session', given: LinkUse): void {
  const needed = { 'first-admin': ['login', 'password'], password: ['password'], session: [] } as const;
  const errors = needed[kind]
    .filter((field) => given[field] === undefined)
    .map((field) => ({ field, message: 'is missing, and must be text' }));
  const [first] = errors;
  if (first) throw new Refusal(400, 'bad-request', `${first.field}: ${first.message}.`, { errors });
}

async function makeFirstAdmin(
  services: Services,
  trx: Transaction<Database>,
  given: { login?: string | undefined; name?: string | undefined; password: string | null },
): Promise<User> {
  if (await hasActiveAdmin(trx))
    throw new Error('The link for the first administrator outlived its purpose.');
  const at = services.now();
  const login = given.login ?? '';
  const user: User = {
    id: newId(),
    login,
    name: given.name || login,
    password: given.password,
    github: null,
    github_id: null,
    role: 'admin',
    disabled: 0,
    created_at: at,
    last_seen_at: at,
  };
  await trx.insertInto('users').values(user).execute();
  await trx.deleteFrom('links').where('kind', '=', 'first-admin').execute();
  await recordAudit(trx, {
    at,
    by: { name: login, via: '' },
    action: 'user.create',
    subject: login,
    detail: { role: 'admin', how: 'first-admin' },
  });
  return user;
}
