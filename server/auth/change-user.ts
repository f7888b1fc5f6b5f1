import type { Transaction } from 'kysely';
import { recordAudit } from '../audit/record.ts';
import { newId } from '../db/id.ts';
import type { Database, User } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import type { Link, NewUser, UserChange } from './account.api.ts';
import type { Actor } from './caller.ts';
import { makeLink } from './link.ts';
import { endSessions } from './session.ts';
import { asTaken, credentialsOf, hasActiveAdmin, stateOf, userOf } from './user.store.ts';

/** Adds a user and makes the link with which they choose their password. Refused 409 when the login or GitHub account is taken. */
export async function createUser(
  services: Services,
  given: NewUser,
  by: Actor,
): Promise<{ user: User; link: Link }> {
  const { login, role, github = null } = given;
  const user: User = {
    id: newId(),
    login,
    name: given.name || login,
    password: null,
    github,
    github_id: null,
    role,
    disabled: 0,
    created_at: services.now(),
    last_seen_at: null,
  };
  const link = await services.db
    .transaction()
    .execute(async (trx) => {
      await trx.insertInto('users').values(user).execute();
      const at = services.now();
      const detail = { role, ...(github && { github }) };
      await recordAudit(trx, { at, by, action: 'user.create', subject: login, detail });
      return makeLink(services, trx, { kind: 'password', userId: user.id });
    })
    .catch((error: unknown) => {
      throw asTaken(error, given);
    });
  services.live.changed('audit');
  return { user, link };
}

/**
 * Changes what is given. A disabled user's sessions end at once; whoever's rights change has every socket closed, so that it
 * comes back with the new ones. Refused 409 when no active administrator would be left.
 */
export async function changeUser(
  services: Services,
  login: string,
  given: UserChange & { by: Actor },
): Promise<User> {
  const { user, credentials } = await services.db
    .transaction()
    .execute(async (trx) => {
      const held = await userOf(trx, login);
      const changed = {
        ...(given.name !== undefined && { name: given.name }),
        ...(given.role !== undefined && { role: given.role }),
        ...(given.github !== undefined && { github: given.github, github_id: null }),
        ...(given.disabled !== undefined && { disabled: given.disabled ? 1 : 0 }),
      };
      const after = { ...held, ...changed };
      if (Object.keys(changed).length > 0)
        await trx.updateTable('users').set(changed).where('id', '=', held.id).execute();
      await assertAdminLeft(trx, held);
      const mayDiffer = held.role !== after.role || held.disabled !== after.disabled;
      const affected = mayDiffer ? await credentialsOf(trx, held.id) : [];
      if (after.disabled === 1) {
        await endSessions(trx, held.id);
        await trx.deleteFrom('links').where('user_id', '=', held.id).execute();
      }
      const { by, ...detail } = given;
      await recordAudit(trx, { at: services.now(), by, action: 'user.change', subject: login, detail });
      return { user: after, credentials: affected };
    })
    .catch((error: unknown) => {
      throw asTaken(error, given);
    });
  services.live.end(credentials);
  services.live.changed('audit');
  return user;
}

/** Removes a user with their sessions, tokens, links and memberships. What they did stays on record under their login. */
export async function removeUser(services: Services, login: string, by: Actor): Promise<void> {
  const credentials = await services.db.transaction().execute(async (trx) => {
    const user = await userOf(trx, login);
    const held = await credentialsOf(trx, user.id);
    await trx.deleteFrom('users').where('id', '=', user.id).execute();
    await assertAdminLeft(trx, user);
    await recordAudit(trx, { at: services.now(), by, action: 'user.remove', subject: login });
    return held;
  });
  services.live.end(credentials);
  services.live.changed('audit');
}

/** A link with which a user chooses a new password; until it is used, nothing changes for them. */
export async function linkUser(services: Services, login: string, by: Actor): Promise<Link> {
  const link = await services.db.transaction().execute(async (trx) => {
    const user = await userOf(trx, login);
    if (user.disabled === 1)
      throw new Refusal(409, 'conflict', `${login} is disabled: enable the account first, then make a link.`);
    await recordAudit(trx, { at: services.now(), by, action: 'user.link', subject: login });
    return makeLink(services, trx, { kind: 'password', userId: user.id });
  });
  services.live.changed('audit');
  return link;
}

/** After a change of `before`: where that was an active administrator, there must still be one. */
async function assertAdminLeft(trx: Transaction<Database>, before: User): Promise<void> {
  if (before.role !== 'admin' || stateOf(before) !== 'active' || (await hasActiveAdmin(trx))) return;
  const sentence = `${before.login} is the last active administrator. Make another one first (one who has signed in).`;
  throw new Refusal(409, 'conflict', sentence);
}
