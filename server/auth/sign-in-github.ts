import { sql } from 'kysely';
import type { Services } from '../services.ts';
import type { GithubAccount } from './github.ts';
import { type Arriving, type Opened, openSession } from './sign-in.ts';

/** Somebody who is not let in, with a sentence for them. */
export class Unwelcome extends Error {
  /** Their login at GitHub, where it is known. */
  readonly login: string;

  constructor(sentence: string, login = '') {
    super(sentence);
    this.name = 'Unwelcome';
    this.login = login;
  }
}

/**
 * Opens a session for the user whom an administrator gave this GitHub account; throws `Unwelcome` where there is none. The
 * first time the account's id is kept: who takes over a login that was given up at GitHub is somebody else.
 */
export function enterByGithub(
  services: Services,
  account: GithubAccount,
  arriving: Arriving,
): Promise<Opened> {
  const { login, id } = account;
  return services.db.transaction().execute(async (trx) => {
    const user = await trx
      .selectFrom('users')
      .selectAll()
      .where(sql`lower(github)`, '=', login.toLowerCase())
      .executeTakeFirst();
    if (!user)
      throw new Unwelcome(
        `Nobody here has the GitHub account ${login}. Ask an administrator to add you, then try again.`,
        login,
      );
    if (user.disabled === 1)
      throw new Unwelcome('Your account here is disabled. Ask an administrator.', login);
    if (user.github_id !== null && user.github_id !== id)
      throw new Unwelcome(
        `The GitHub account ${login} is not the one that signed in here before: it has changed hands. Ask an administrator.`,
        login,
      );
    if (user.github_id === null)
      await trx.updateTable('users').set({ github_id: id }).where('id', '=', user.id).execute();
    return openSession(services, trx, { user, how: 'github', ...arriving });
  });
}
