import type { IncomingHttpHeaders } from 'node:http';
import { parseCookie } from 'cookie';
import type { Request, Response } from 'express';
import type { ServerConfig } from '../config.ts';

/** Over TLS the browser itself sees to it that no other host and no plain connection has set it (RFC 6265bis, 4.1.3.2). */
const SECURE = '__Host-reprise';
const PLAIN = 'reprise';
const OPTIONS = { httpOnly: true, sameSite: 'lax', path: '/' } as const;

/** The session's key that a browser sends. A plain cookie counts only where there is no secure one. */
export function sessionKeyOf({ cookie }: Pick<IncomingHttpHeaders, 'cookie'>): string | null {
  if (cookie === undefined) return null;
  const cookies = parseCookie(cookie);
  const key = cookies[SECURE] ?? cookies[PLAIN];
  return key !== undefined && key.length <= 512 ? key : null;
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
  const host = URL.canParse(`http://${headers.host}`) ? new URL(`http://${headers.host}`).hostname : '';
  return isLocal(from) && (host === 'localhost' || isLocal(host.replace(/^\[|\]$/g, '')));
}

function isLocal(address: string): boolean {
  return address === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address);
}
