import type { IncomingMessage } from 'node:http';

/**
 * Whether a request comes from a page of this server, or from none. A browser always says its page's origin, which must be
 * exactly the public address, or where this very request was sent to. Where the public address is reached by TLS, a page of
 * the same name without TLS is not ours: anybody on the way can serve one. Only on this machine there is no way.
 */
export function isOwnOrigin({ headers }: Pick<IncomingMessage, 'headers'>, publicUrl: string): boolean {
  const { origin, host } = headers;
  if (origin === undefined) return true;
  const own = new URL(publicUrl);
  if (origin === own.origin) return true;
  if (host === undefined) return false;
  if (origin === `https://${host}`) return true;
  return origin === `http://${host}` && (own.protocol === 'http:' || isLocalName(host));
}

/** Whether a Host header names the machine itself. */
export function isLocalName(host: string): boolean {
  if (!URL.canParse(`http://${host}`)) return false;
  const { hostname } = new URL(`http://${host}`);
  return hostname === 'localhost' || isLocalAddress(hostname.replace(/^\[|\]$/g, ''));
}

/** Whether an IP address is this machine's own. */
export function isLocalAddress(address: string): boolean {
  return address === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address);
}
