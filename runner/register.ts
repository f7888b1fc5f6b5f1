import { createHash, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { Refused } from './client.ts';
import type { RunnerConfig } from './config.ts';
import { kept } from './kept.ts';
import type { Link } from './link.ts';
import type { HelloAnswer } from './protocol.ts';
import { PROTOCOL_VERSION } from './wire.ts';

/** The token that a runner nobody added made for itself: durable before the server hears of it, so that it is made but once. */
export function ownToken(file: string): string {
  return kept(file, /^rpr_[\w-]{43}$/, () => `rpr_${randomBytes(32).toString('base64url')}`);
}

/**
 * Says hello, and registers first where the server does not know the runner's own token. That, too, may be repeated: the server knows
 * the token's digest again. Throws `Refused` where the server does not want the runner.
 */
export async function introduce(
  link: Link,
  o: { config: RunnerConfig; token: string; log: Logger; signal: AbortSignal },
): Promise<HelloAnswer> {
  const { config, token, log, signal } = o;
  const secret = config.token() === null ? config.registration() : null;
  try {
    return await link.hello(signal);
  } catch (error) {
    if (secret === null || !(error instanceof Refused) || error.status !== 401) throw error;
  }
  const tokenSha256 = createHash('sha256').update(token).digest('hex');
  const ask = {
    protocol: PROTOCOL_VERSION,
    secret,
    labels: config.labels && [...config.labels],
    tokenSha256,
  };
  const name = config.name ?? hostsName();
  const runner = await link.register({ ...ask, name }, signal).catch((error: unknown) => {
    // Nobody chose it, so that another one does as well.
    if (config.name !== null || !(error instanceof Refused) || error.code !== 'name-taken') throw error;
    return link.register({ ...ask, name: `${name}-${tokenSha256.slice(0, 6)}` }, signal);
  });
  log.info({ runner }, 'registered');
  return link.hello(signal);
}

/** Its host's name, as far as a runner may be called so. */
function hostsName(): string {
  const name = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '');
  return name.slice(0, 50) || 'runner';
}
