import type { Link, MadeToken, MadeUser, NewToken, Session } from '@reprise/server/auth/account.api.ts';
import type { Role } from '@reprise/server/auth/role.ts';
import { ADMIN_TOKEN } from './reprise.ts';
import type { Answer, Body } from './server-here.ts';

/** What every user of the tests signs in with. */
export const PASSWORD = 'correct horse battery staple';

/** A server of any of the rigs, or where one listens. */
export type Where = string | { address: string };

export interface Account {
  login: string;
  /** Over everything; left out: only in `projects`. */
  role?: Role;
  /** Roles by project. */
  projects?: Record<string, Role>;
}

/** Somebody with a browser: the cookie, what proves their page, and requests as their page makes them. */
export interface SignedInBrowser {
  login: string;
  /** `name=value`, as a Cookie header has it. */
  cookie: string;
  csrf: string;
  /** Headers of a change made by the page: cookie, origin and CSRF token. */
  headers: Record<string, string>;
  call<Shape = Body>(method: string, path: string, body?: object): Promise<Answer<Shape>>;
}

/** Adds a user by the API, chooses their password by their link, and gives their browser. */
export async function signIn(where: Where, account: Account): Promise<SignedInBrowser> {
  const link = await addUser(where, account);
  return enter(where, { link: keyOf(link), password: PASSWORD });
}

/** Adds a user who has not chosen a password yet. */
export async function addUser(where: Where, { login, role, projects = {} }: Account): Promise<Link> {
  const made = await asOperator<MadeUser>(where, 'POST', '/api/users', { login, role: role ?? null });
  for (const [project, given] of Object.entries(projects))
    await asOperator(where, 'PUT', `/api/projects/${project}/members/${login}`, { role: given });
  return made.link;
}

/** The key in a one-time link's address. */
export function keyOf({ url }: { url: string }): string {
  return new URL(url).hash.slice(1);
}

/** A browser that signs in with a password or a link; throws the server's answer where that is refused. */
export async function enter(where: Where, given: object): Promise<SignedInBrowser> {
  const response = await post(where, given);
  const text = await response.text();
  if (!response.ok) throw new Error(`sign in: ${response.status} ${text}`);
  const { user, csrf } = JSON.parse(text) as Session;
  const cookie = cookieOf(response);
  if (!user || !csrf || !cookie) throw new Error(`signed in without a user, cookie or CSRF token: ${text}`);
  const headers = {
    cookie,
    'x-csrf-token': csrf,
    origin: addressOf(where),
    'content-type': 'application/json',
  };
  return {
    login: user.login,
    cookie,
    csrf,
    headers,
    call: (method, path, body) => request(where, { method, path, headers, body }),
  };
}

/** `POST /api/session` as a browser's page sends it. */
export function post(where: Where, given: object, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${addressOf(where)}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: addressOf(where), ...headers },
    body: JSON.stringify(given),
  });
}

/** `name=value` of the session's cookie that an answer sets; empty: none. */
export function cookieOf(response: Response): string {
  const set = response.headers.getSetCookie().find((line) => /^(__Host-)?reprise=[^;]/.test(line));
  return set?.split(';', 1)[0] ?? '';
}

/** An API token of somebody's. */
export async function makeToken(browser: SignedInBrowser, given: NewToken): Promise<MadeToken> {
  const { status, body } = await browser.call<MadeToken>('POST', '/api/tokens', given);
  if (status !== 201) throw new Error(`token: ${status} ${JSON.stringify(body)}`);
  return body;
}

/** A request with a bearer token. */
export function withToken<Shape = Body>(
  where: Where,
  token: string,
  o: { method?: string; path: string; body?: object },
): Promise<Answer<Shape>> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  return request(where, { method: 'GET', headers, ...o });
}

async function asOperator<Shape = Body>(
  where: Where,
  method: string,
  path: string,
  body: object,
): Promise<Shape> {
  const answer = await withToken<Shape>(where, ADMIN_TOKEN, { method, path, body });
  if (answer.status >= 300)
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

async function request<Shape>(
  where: Where,
  o: { method: string; path: string; headers: Record<string, string>; body?: object | undefined },
): Promise<Answer<Shape>> {
  const response = await fetch(`${addressOf(where)}${o.path}`, {
    method: o.method,
    headers: o.headers,
    ...(o.body && { body: JSON.stringify(o.body) }),
  });
  const text = await response.text();
  // The audit's export is lines, a log is text: they are answered as they are.
  const isJson = /[/+]json(;|$)/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, body: text === '' ? null : isJson ? JSON.parse(text) : (text as Shape) };
}

function addressOf(where: Where): string {
  return typeof where === 'string' ? where : where.address;
}
