import type { Kysely, Selectable, Transaction } from 'kysely';
import { newToken } from '../db/id.ts';
import type { Database, LinkTable, User } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import type { Link } from './account.api.ts';
import { hashOfKey } from './session.ts';
import { hasActiveAdmin, userOf } from './user.store.ts';

type LinkRow = Selectable<LinkTable>;

const HOUR_MS = 3_600_000;
/** The first administrator sits at the terminal; whoever is invited may be on leave; who looks at a demo is here now. */
const LASTS_MS = { 'first-admin': 24 * HOUR_MS, password: 7 * 24 * HOUR_MS, session: HOUR_MS } as const;

/** Makes a one-time link. Earlier ones of that kind for the same user are void from now on. */
export async function makeLink(
  services: Pick<Services, 'now' | 'publicUrl'>,
  trx: Transaction<Database>,
  { kind, userId }: { kind: LinkRow['kind']; userId: string | null },
): Promise<Link> {
  const now = services.now();
  await trx
    .deleteFrom('links')
    .where((eb) =>
      eb.or([
        eb('expires_at', '<=', now),
        eb.and([eb('kind', '=', kind), eb('user_id', userId === null ? 'is' : '=', userId)]),
      ]),
    )
    .execute();
  const key = newToken('rpl');
  const expiresAt = now + LASTS_MS[kind];
  await trx
    .insertInto('links')
    .values({ key_hash: hashOfKey(key), kind, user_id: userId, expires_at: expiresAt })
    .execute();
  return {
    url: `${reachable(services.publicUrl())}/welcome#${key}`,
    expiresAt: new Date(expiresAt).toISOString(),
  };
}

/**
 * The address with which the first administrator is made, good once and for a day; null once there is an administrator who
 * can sign in. Each call makes a new one, so only the latest start's is good.
 */
export function firstAdminLink(services: Pick<Services, 'db' | 'now' | 'publicUrl'>): Promise<string | null> {
  return services.db.transaction().execute(async (trx) => {
    if (await hasActiveAdmin(trx)) return null;
    return (await makeLink(services, trx, { kind: 'first-admin', userId: null })).url;
  });
}

/** A link that signs a user in, for whoever sits at the machine where the server was started: the API makes none. */
export function signInLink(
  services: Pick<Services, 'db' | 'now' | 'publicUrl'>,
  login: string,
): Promise<Link> {
  return services.db.transaction().execute(async (trx) => {
    const user = await userOf(trx, login);
    return makeLink(services, trx, { kind: 'session', userId: user.id });
  });
}

/** A link that is still good, with its user, without using it up. Refused 410 otherwise. */
export async function findLink(
  services: Pick<Services, 'now'>,
  db: Kysely<Database>,
  key: string,
): Promise<{ link: LinkRow; user: User | null }> {
  const link = await db
    .selectFrom('links')
    .selectAll()
    .where('key_hash', '=', hashOfKey(key))
    .where('expires_at', '>', services.now())
    .executeTakeFirst();
  if (!link) throw gone();
  if (link.kind === 'first-admin') {
    if (await hasActiveAdmin(db)) throw gone();
    return { link, user: null };
  }
  const user = await db
    .selectFrom('users')
    .selectAll()
    .where('id', '=', link.user_id)
    .where('disabled', '=', 0)
    .executeTakeFirst();
  if (!user) throw gone();
  return { link, user };
}

/** Uses a link up: of any number of callers at once, one gets it and the others are refused 410. */
export async function takeLink(
  services: Pick<Services, 'now'>,
  trx: Transaction<Database>,
  key: string,
): Promise<{ link: LinkRow; user: User | null }> {
  const found = await findLink(services, trx, key);
  await trx.deleteFrom('links').where('key_hash', '=', found.link.key_hash).execute();
  return found;
}

function gone(): Refusal {
  return new Refusal(
    410,
    'link-gone',
    'This link is no longer good: it was used, replaced by a newer one, or has expired. Ask for a new one; the link for ' +
      'the first administrator is printed by each start of the server until there is one.',
  );
}

/** A wildcard address is where one listens, not where one connects. */
function reachable(address: string): string {
  return address.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
}
