import { randomBytes } from 'node:crypto';

/** A new row's id: 24 characters of `[0-9a-z]`, 120 random bits. */
export function newId(): string {
  return BigInt(`0x${randomBytes(15).toString('hex')}`)
    .toString(36)
    .padStart(24, '0');
}

/** A new secret that a person or program presents: `prefix_` and 256 random bits, base64url. */
export function newToken(prefix: string): string {
  return `${prefix}_${randomBytes(32).toString('base64url')}`;
}
