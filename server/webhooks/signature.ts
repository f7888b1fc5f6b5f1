import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Is `header` (`X-Hub-Signature-256`) the HMAC-SHA256 of exactly these bytes? In constant time for a given length.
 *
 * node:crypto and not `@octokit/webhooks-methods`, because that takes a string: decoding a body before it is verified would
 * let different bytes pass as the same, and costs a copy of up to 25 MiB for every stranger's request.
 */
export function isSignedBy(secret: string, body: Buffer, header: string | undefined): boolean {
  const expected = createHmac('sha256', secret).update(body).digest();
  const hex = /^sha256=([0-9a-f]{64})$/.exec(header ?? '')?.[1];
  // Compared even where the header is missing: how long an answer takes tells nothing.
  const given = Buffer.from(hex ?? '00'.repeat(32), 'hex');
  return timingSafeEqual(expected, given) && hex !== undefined;
}
