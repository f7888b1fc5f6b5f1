import type { Request } from 'express';
import type { ServerConfig } from '../config.ts';
import { isLoopback } from '../http/cookie.ts';
import { Refusal } from '../http/refusal.ts';

/**
 * Why nobody can sign in by this connection; empty: they can. Passwords, links and cookies travel over TLS, or do not leave
 * the machine.
 */
export function whyNoSignIn(request: Request, config: Pick<ServerConfig, 'url'>): string {
  if (request.secure || isLoopback(request) || isAskedForPrivately(request, config.url)) return '';
  const needed =
    'Signing in needs TLS, except on the machine of the server itself: a password would cross the network readable. ';
  return config.url?.startsWith('https://')
    ? `${needed}Use ${config.url}; a proxy must pass the Host header on, or be named in REPRISE_TRUST_PROXY.`
    : `${needed}Put a reverse proxy with TLS in front, and set REPRISE_URL to its https address.`;
}

export function assertPrivate(request: Request, config: Pick<ServerConfig, 'url'>): void {
  const why = whyNoSignIn(request, config);
  if (why) throw new Refusal(403, 'tls-required', why);
}

/**
 * Whether the browser asked for the public address and that one is reached by TLS or is this machine. Who types another
 * address (a bare IP and port beside the proxy) is not protected by the proxy's TLS.
 */
function isAskedForPrivately({ headers }: Request, url: string | null): boolean {
  if (url === null) return false;
  const { protocol, host, hostname } = new URL(url);
  const isPrivate = protocol === 'https:' || /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
  return isPrivate && headers.host?.toLowerCase() === host;
}
