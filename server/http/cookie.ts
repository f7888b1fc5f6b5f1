import type { IncomingHttpHeaders } from 'node:http';
import { parseCookie } from 'cookie';
import type { Request, Response } from 'express';
import type { ServerConfig } from '../config.ts';
import { isLocalAddress, isLocalName } from './origin.ts';

/** Over TLS the browser itself sees to it that no other host and no plain connection has set it (RFC 6265bis, 4.1.3.2). */
const SECURE = '__Host-reprise';
const PLAIN = 'reprise';
const OPTIONS = { httpOnly: true, sameSite: 'lax', path: '/' } as const;

/** The session's key that a browser sends. A plain cookie counts only where there is no secure one. */
export function sessionKeyOf(headers: Pick<IncomingHttpHeaders, 'cookie'>): string | null {
  return sessionCookieOf(headers)?.key ?? null;
}

/** The same, and whether the browser vouches for it: a plain cookie may have been set by a neighbouring host. */
export function sessionCookieOf({
  cookie,
}: Pick<IncomingHttpHeaders, 'cookie'>): { key: string; isVouchedFor: boolean } | null {
  if (cookie === undefined) return null;
  const { [SECURE]: secure, [PLAIN]: plain } = parseCookie(cookie);
  const key = secure ?? plain;
  return key !== undefined && key.length <= 512 ? { key, isVouchedFor: secure !== undefined } : null;
}

export function setSessionCookie(
  response: Response,
  key: string,
  { secure, maxAgeMs }: { secure: boolean; maxAgeMs: number },
): void {
  response.cookie(secure ? SECURE : PLAIN, key, { ...OPTIONS, secure, maxAge: maxAgeMs });
}

export function clearSessionCookie(response: Response): void {
  response.clearCookie(SECURE, { ...OPTIONS, secure: true });
  response.clearCookie(PLAIN, OPTIONS);
}

/** Whether people reach the server by TLS: on this connection as far as proxies are believed, or by its public address. */
export function isSecure(request: Pick<Request, 'secure'>, config: Pick<ServerConfig, 'url'>): boolean {
  return request.secure || (config.url?.startsWith('https://') ?? false);
}

/** Whether the browser runs on this machine: the connection comes from it and asks for it, not for a proxy's name. */
export function isLoopback({ socket, headers }: Pick<Request, 'socket' | 'headers'>): boolean {
  const from = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  return isLocalAddress(from) && isLocalName(headers.host ?? '');
}
