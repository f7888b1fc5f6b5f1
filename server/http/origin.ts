import type { IncomingMessage } from 'node:http';

/**
 * Whether a socket may be opened from where this request comes. A browser always says its page's origin, which must be ours
 * exactly; without one it is a program, which has nothing but its token.
 */
export function isOwnOrigin({ headers }: Pick<IncomingMessage, 'headers'>, publicUrl: string): boolean {
  const { origin, host } = headers;
  if (origin === undefined) return true;
  if (origin === new URL(publicUrl).origin) return true;
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
}
