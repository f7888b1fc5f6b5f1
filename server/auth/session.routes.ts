import type { Request, Response } from 'express';
import { z } from 'zod';
import { recordAudit } from '../audit/record.ts';
import { clearSessionCookie, isSecure, sessionKeyOf, setSessionCookie } from '../http/cookie.ts';
import { notFound, Refusal } from '../http/refusal.ts';
import { type Route, route } from '../http/route.ts';
import { VERSION } from '../version.ts';
import {
  foundLinkSchema,
  loginSchema,
  passwordChangeSchema,
  passwordSchema,
  type Session,
  sessionSchema,
  signedInListSchema,
  signInSchema,
} from './account.api.ts';
import type { Caller } from './caller.ts';
import { changeOwnPassword } from './change-password.ts';
import { csrfOf } from './csrf.ts';
import { takeGithubProblem } from './github-cookie.ts';
import { inPerson } from './in-person.ts';
import { findLink } from './link.ts';
import { endSessions, type Place, SESSION_MAX_MS } from './session.ts';
import { listSessions } from './session.view.ts';
import { type Accounts, type Opened, signInByLink, signInByPassword } from './sign-in.ts';
import { assertPrivate, whyNoSignIn } from './tls.ts';
import { userWithId } from './user.store.ts';
import { viewUser } from './user.view.ts';

/** Signing in and out, and the caller's own signed-in browsers. */
export function sessionRoutes(accounts: Accounts): Route[] {
  const { services } = accounts;
  return [
    route({
      method: 'get',
      path: '/api/session',
      policy: 'public',
      summary: 'Who is signed in, and whether and how one can sign in by this connection.',
      answer: sessionSchema,
      handle: ({ request, response, caller }) => view(accounts, { request, response, caller }),
    }),
    route({
      method: 'post',
      path: '/api/session',
      policy: 'public',
      summary:
        'Signs in with a login and a password, or with a one-time link. Any session the browser had ends.',
      body: signInSchema,
      answer: sessionSchema,
      async handle({ body, request, response, caller }) {
        assertPrivate(request, services.config);
        const arriving = { place: placeOf(request), caller };
        const opened =
          body.link === undefined
            ? await signInByPassword(accounts, complete(body), arriving)
            : await signInByLink(accounts, { ...checked(body), link: body.link }, arriving);
        return welcome(accounts, { request, response, opened });
      },
    }),
    route({
      method: 'post',
      path: '/api/session/link',
      policy: 'public',
      summary: 'What a one-time link would do. It stays good.',
      body: z.object({ link: z.string().max(100) }),
      answer: foundLinkSchema,
      async handle({ body, request }) {
        assertPrivate(request, services.config);
        const { link, user } = await findLink(services, services.db, body.link);
        return { kind: link.kind, login: user?.login ?? null };
      },
    }),
    route({
      method: 'delete',
      path: '/api/session',
      policy: 'public',
      summary: 'Signs out. Signed out already: so be it.',
      async handle({ caller, response }) {
        if (caller.kind === 'user') await endOwn(accounts, caller, caller.credentialId ?? '');
        clearSessionCookie(response);
      },
    }),
    route({
      method: 'put',
      path: '/api/session/password',
      policy: 'signed-in',
      summary: "Changes the caller's own password. Every other session of theirs ends.",
      body: passwordChangeSchema,
      answer: sessionSchema,
      async handle({ body, request, response, caller }) {
        inPerson(caller, 'change a password');
        assertPrivate(request, services.config);
        const opened = await changeOwnPassword(accounts, body, { place: placeOf(request), caller });
        return welcome(accounts, { request, response, opened });
      },
    }),
    route({
      method: 'get',
      path: '/api/sessions',
      policy: 'signed-in',
      summary: "The caller's own signed-in browsers.",
      answer: signedInListSchema,
      async handle({ caller }) {
        const { userId, sessionId } = inPerson(caller, 'see sessions');
        return { items: await listSessions(services, userId, sessionId), next: null };
      },
    }),
    route({
      method: 'delete',
      path: '/api/sessions/:id',
      policy: 'signed-in',
      summary: 'Signs one of the caller’s own browsers out; its sockets are closed at once.',
      params: z.object({ id: z.string() }),
      async handle({ params: { id }, caller }) {
        inPerson(caller, 'end sessions');
        if (!(await endOwn(accounts, caller, id))) throw notFound(`The session ${JSON.stringify(id)}`);
      },
    }),
  ];
}

/** From where a request comes, as far as the configured proxies are believed. */
export function placeOf(request: Request): Place {
  return { address: request.ip ?? '', userAgent: request.get('user-agent') ?? '' };
}

/** Gives a browser its cookie and closes what the session replaces. */
export function admit(
  { services }: Accounts,
  { request, response, opened }: { request: Request; response: Response; opened: Opened },
): void {
  const secure = isSecure(request, services.config);
  setSessionCookie(response, opened.key, { secure, maxAgeMs: SESSION_MAX_MS });
  services.live.end(opened.ended);
  services.live.changed('audit');
}

async function welcome(
  accounts: Accounts,
  o: { request: Request; response: Response; opened: Opened },
): Promise<Session> {
  admit(accounts, o);
  const { services } = accounts;
  const { key, userId } = o.opened;
  const user = await viewUser(services.db, await userWithId(services.db, userId));
  return { user, csrf: csrfOf(services.vault, key), signIn: signIn(accounts, o.request), version: VERSION };
}

async function view(
  accounts: Accounts,
  { request, response, caller }: { request: Request; response: Response; caller: Caller },
): Promise<Session> {
  const { services } = accounts;
  const key = caller.kind === 'user' ? sessionKeyOf(request.headers) : null;
  return {
    user:
      caller.userId === null
        ? null
        : await viewUser(services.db, await userWithId(services.db, caller.userId)),
    csrf: key === null ? null : csrfOf(services.vault, key),
    signIn: { ...signIn(accounts, request), problem: takeGithubProblem(services, request, response) },
    version: VERSION,
  };
}

function signIn({ services: { config } }: Accounts, request: Request): Session['signIn'] {
  const why = whyNoSignIn(request, config);
  return { possible: why === '', why, problem: '', github: config.github !== null };
}

function complete({ login, password }: z.output<typeof signInSchema>): { login: string; password: string } {
  if (login !== undefined && password !== undefined) return { login, password };
  const errors = Object.entries({ login, password })
    .filter(([, value]) => value === undefined)
    .map(([field]) => ({ field, message: 'is missing, and must be text' }));
  throw new Refusal(400, 'bad-request', 'Send a login and a password, or a link.', { errors });
}

/** What is chosen by a link keeps to the rules; what is typed to sign in is only compared. */
function checked({ login, password, name }: z.output<typeof signInSchema>) {
  const given = z
    .object({
      login: loginSchema.optional(),
      password: passwordSchema.optional(),
      name: z.string().optional(),
    })
    .safeParse({ login, password, name });
  if (given.success) return given.data;
  const errors = given.error.issues.map(({ path, message }) => ({ field: path.join('.'), message }));
  const [first] = errors;
  throw new Refusal(400, 'bad-request', `${first?.field}: ${first?.message}.`, { errors });
}

async function endOwn({ services }: Accounts, caller: Caller, id: string): Promise<boolean> {
  const ended = await services.db.transaction().execute(async (trx) => {
    const ids = await endSessions(trx, caller.userId ?? '', { id });
    const entry = { at: services.now(), by: caller, subject: caller.name };
    if (ids.length > 0) await recordAudit(trx, { ...entry, action: 'session.end' });
    return ids;
  });
  services.live.end(ended);
  services.live.changed('audit');
  return ended.length > 0;
}
