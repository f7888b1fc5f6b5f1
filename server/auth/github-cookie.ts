import { parseCookie } from 'cookie';
import type { Request, Response } from 'express';
import { isSecure } from '../http/cookie.ts';
import type { Services } from '../services.ts';
import type { Trip } from './github.ts';

/** Long enough to type a password and a second factor at GitHub. */
const LASTS_MS = 10 * 60_000;
const PURPOSE = 'session/github';

/** What a browser carries during a trip to GitHub, and after one that failed: sealed, so that nobody else can have written it. */
type Carried =
  | ({ kind: 'trip'; next: string; until: number } & Trip)
  | { kind: 'problem'; sentence: string; until: number };

/** Gives the browser its trip, or what became of it. */
export function carry(
  { vault, config, now }: Services,
  { request, response }: { request: Request; response: Response },
  what: ({ kind: 'trip'; next: string } & Trip) | { kind: 'problem'; sentence: string },
): void {
  const secure = isSecure(request, config);
  const value = vault.seal(JSON.stringify({ ...what, until: now() + LASTS_MS }), PURPOSE);
  response.cookie(nameOf(secure), value, { ...OPTIONS, secure, maxAge: LASTS_MS });
}

/** The trip that this browser began, once; null: none, or too long ago. */
export function takeTrip(
  services: Services,
  request: Request,
  response: Response,
): (Trip & { next: string }) | null {
  const carried = take(services, request, response);
  return carried?.kind === 'trip' ? carried : null;
}

/** What became of this browser's last trip, told once; empty: nothing to tell. */
export function takeGithubProblem(services: Services, request: Request, response: Response): string {
  if (read(services, request)?.kind !== 'problem') return '';
  const carried = take(services, request, response);
  return carried?.kind === 'problem' ? carried.sentence : '';
}

function take(services: Services, request: Request, response: Response): Carried | null {
  const carried = read(services, request);
  const secure = isSecure(request, services.config);
  if (carried) response.clearCookie(nameOf(secure), { ...OPTIONS, secure });
  return carried;
}

function read({ vault, config, now }: Services, request: Request): Carried | null {
  const value = parseCookie(request.headers.cookie ?? '')[nameOf(isSecure(request, config))];
  if (value === undefined) return null;
  try {
    const carried = JSON.parse(vault.open(value, PURPOSE)) as Carried;
    return carried.until > now() ? carried : null;
  } catch {
    // Of another key, or made up: as good as none.
    return null;
  }
}

function nameOf(secure: boolean): string {
  return secure ? '__Host-reprise-github' : 'reprise-github';
}

const OPTIONS = { httpOnly: true, sameSite: 'lax', path: '/' } as const;
