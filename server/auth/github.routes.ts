import type { Request, Response } from 'express';
import { z } from 'zod';
import type { GithubSignIn } from '../config.ts';
import { Refusal } from '../http/refusal.ts';
import { type Route, route, STREAMED } from '../http/route.ts';
import type { Caller } from './caller.ts';
import { beginTrip, endTrip } from './github.ts';
import { carry, takeTrip } from './github-cookie.ts';
import { admit, placeOf } from './session.routes.ts';
import { type Accounts, recordRefused } from './sign-in.ts';
import { enterByGithub, Unwelcome } from './sign-in-github.ts';
import { assertPrivate } from './tls.ts';

const CALLBACK = '/api/session/github/callback';

const next = z
  .string()
  .max(2000)
  .default('/')
  .refine(isOwnPath, 'must be a path of this server, such as /projects/shop');

/** Signing in with GitHub: two navigations of the browser, there and back. */
export function githubRoutes(accounts: Accounts): Route[] {
  const { services } = accounts;
  const redirectUri = () => `${services.publicUrl()}${CALLBACK}`;
  return [
    route({
      method: 'get',
      path: '/api/session/github',
      policy: 'public',
      summary: 'Sends the browser to GitHub to sign in; it comes back to `next`.',
      query: z.object({ next }),
      async handle({ query, request, response }) {
        const settings = configured(services.config.github);
        assertPrivate(request, services.config);
        const { url, trip } = await beginTrip(settings, redirectUri());
        carry(services, { request, response }, { kind: 'trip', next: query.next, ...trip });
        response.redirect(303, url.href);
        return STREAMED;
      },
    }),
    route({
      method: 'get',
      path: CALLBACK,
      policy: 'public',
      summary: 'Where GitHub sends the browser back to. What went wrong is told by GET /api/session, once.',
      async handle({ request, response, caller }) {
        const settings = configured(services.config.github);
        assertPrivate(request, services.config);
        response.redirect(
          303,
          await comeBack(accounts, settings, { request, response, caller, redirectUri: redirectUri() }),
        );
        return STREAMED;
      },
    }),
  ];
}

interface Returning {
  request: Request;
  response: Response;
  caller: Caller;
  redirectUri: string;
}

/** Where the browser goes next: where it wanted to be, or back to signing in with a sentence that says why not. */
async function comeBack(accounts: Accounts, settings: GithubSignIn, o: Returning): Promise<string> {
  const { services, limits } = accounts;
  const { request, response, caller } = o;
  const place = placeOf(request);
  const who = { account: 'GitHub', address: place.address, isKnownPlace: async () => true };
  const trip = takeTrip(services, request, response);
  const askAgain = (sentence: string) => back(accounts, o, { sentence, next: trip?.next ?? '/' });
  try {
    await limits.assertOpen(who);
    if (!trip)
      throw new Unwelcome('This trip to GitHub was begun in another browser or too long ago. Try again.');
    const cameBackTo = new URL(request.originalUrl.slice(CALLBACK.length), o.redirectUri);
    if (cameBackTo.searchParams.has('error'))
      throw new Unwelcome(
        'GitHub was not allowed to say who you are. Try again, or sign in with a password.',
      );
    const account = await endTrip(settings, cameBackTo, trip);
    const opened = await enterByGithub(services, account, { place, caller });
    admit(accounts, { request, response, opened });
    return trip.next;
  } catch (error) {
    if (error instanceof Refusal && error.status === 429) return askAgain(error.message);
    await limits.take(who);
    if (error instanceof Unwelcome) {
      if (error.login)
        await recordRefused(services, {
          action: 'session.refused',
          subject: `GitHub: ${error.login}`,
          place,
          why: error.message,
        });
      return askAgain(error.message);
    }
    services.log.warn({ reason: reasonOf(error) }, 'signing in with GitHub failed');
    return askAgain("GitHub could not be asked who you are. Try again; the server's log says more.");
  }
}

/** GitHub's own code (`bad_verification_code`) where it gave one; never a secret. */
function reasonOf(error: unknown): string {
  const { message, cause, error: code } = error as Error & { error?: unknown };
  if (typeof code === 'string') return `GitHub answered ${code}`;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}

function back(
  { services }: Accounts,
  { request, response }: Returning,
  { sentence, next }: { sentence: string; next: string },
): string {
  carry(services, { request, response }, { kind: 'problem', sentence });
  return next === '/' ? '/sign-in' : `/sign-in?next=${encodeURIComponent(next)}`;
}

function configured(settings: GithubSignIn | null): GithubSignIn {
  if (settings) return settings;
  throw new Refusal(
    404,
    'not-found',
    'Signing in with GitHub is not set up here: it takes REPRISE_GITHUB_CLIENT_ID and REPRISE_GITHUB_CLIENT_SECRET.',
  );
}

/** `//evil`, `/\evil` and what a browser's parser makes such of (tabs and line ends vanish) lead elsewhere. */
function isOwnPath(path: string): boolean {
  const here = 'http://here.invalid';
  if (!/^\/(?![/\\])/.test(path) || !URL.canParse(path, here)) return false;
  return new URL(path, here).origin === here;
}
