import { timingSafeEqual } from 'node:crypto';
import type { Vault } from '../vault.ts';

/** The header in which the page sends it. */
export const CSRF_HEADER = 'X-CSRF-Token';

/** What only a page that was answered by us can send: bound to the session, so nothing else must be kept. */
export function csrfOf(vault: Vault, sessionKey: string): string {
  return vault.mac(sessionKey, 'csrf');
}

export function isCsrfOf(vault: Vault, sessionKey: string, given: string): boolean {
  const expected = Buffer.from(csrfOf(vault, sessionKey));
  const bytes = Buffer.from(given);
  return bytes.length === expected.length && timingSafeEqual(bytes, expected);
}
