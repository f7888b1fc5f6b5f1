import { Refusal } from '../http/refusal.ts';
import { inPerson } from './in-person.ts';
import { hashPassword } from './password.ts';
import {
  type Accounts,
  type Arriving,
  type Opened,
  openSession,
  setPassword,
  tryPassword,
} from './sign-in.ts';
import { userWithId } from './user.store.ts';

/**
 * Changes the caller's own password, for which the current one must be known: a browser left open is not enough. Tries count
 * like sign-ins. Every session of theirs ends and the caller gets a new one.
 */
export async function changeOwnPassword(
  accounts: Accounts,
  given: { current: string; password: string },
  arriving: Arriving,
): Promise<Opened> {
  const { services, line } = accounts;
  const { userId } = inPerson(arriving.caller, 'change a password');
  const user = await userWithId(services.db, userId);
  if (user.password === null) {
    const sentence = 'You have no password yet. Ask an administrator for a link with which you choose one.';
    throw new Refusal(409, 'conflict', sentence);
  }
  const { login, password: stored } = user;
  const isRight = await tryPassword(accounts, {
    login,
    stored,
    password: given.current,
    place: arriving.place,
  });
  if (!isRight) {
    const message = 'This is not your current password.';
    throw new Refusal(403, 'wrong-password', message, { errors: [{ field: 'current', message }] });
  }
  const password = await line.run(() => hashPassword(given.password));
  return services.db.transaction().execute(async (trx) => {
    const ended = await setPassword(services, trx, { user, password, how: 'page' });
    const opened = await openSession(services, trx, { user, how: 'password change', ...arriving });
    return { ...opened, ended: [...ended, ...opened.ended] };
  });
}
