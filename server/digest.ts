import { createHash } from 'node:crypto';

/** sha256 (lower-case hex) of bytes that come in pieces; each piece is used before the next is asked for. */
export async function sha256Of(body: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of body) hash.update(piece);
  return hash.digest('hex');
}
