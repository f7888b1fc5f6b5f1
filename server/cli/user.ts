import type { Link, MadeUser, User } from '../auth/account.api.ts';
import type { Client } from './client.ts';
import { plain, table } from './print.ts';

export interface AddUser {
  name?: string;
  role?: string;
  github?: string;
  json?: boolean;
}

/** `reprise user add`: an account, and the link with which its owner chooses a password. */
export async function addUser(client: Client, login: string, o: AddUser): Promise<void> {
  const { name, role, github } = o;
  const made = await client.json<MadeUser>('POST', '/api/users', { login, name, role, github });
  if (o.json) return console.log(JSON.stringify(made));
  const may = made.user.role === null ? 'member of no project yet' : made.user.role;
  console.log(`User ${made.user.login} is added (${may}). They choose their password at:`);
  printLink(made.link);
}

/** `reprise user list`. */
export async function listUsers(client: Client, o: { json?: boolean }): Promise<void> {
  const { items } = await client.json<{ items: User[] }>('GET', '/api/users?limit=200');
  if (o.json) return console.log(JSON.stringify(items));
  if (items.length === 0) return console.log('No users yet. Add one: reprise user add <login> --role admin');
  const rows = items.map((user) => [
    user.login,
    plain(user.name),
    user.role ?? '-',
    user.projects.map(({ project, role }) => `${project}: ${role}`).join(', '),
    user.state,
    user.lastSeenAt ?? 'never',
  ]);
  console.log(table(['LOGIN', 'NAME', 'ROLE', 'PROJECTS', 'STATE', 'LAST SEEN'], rows));
}

/** `reprise user link`: a new link for whoever has lost their password. */
export async function linkUser(client: Client, login: string, o: { json?: boolean }): Promise<void> {
  const link = await client.json<Link>('POST', `/api/users/${encodeURIComponent(login)}/link`, {});
  if (o.json) return console.log(JSON.stringify(link));
  console.log(`${login} chooses a new password at:`);
  printLink(link);
}

function printLink({ url, expiresAt }: Link): void {
  console.log(`  ${url}`);
  console.log(`The link is good once, until ${expiresAt}.`);
}
