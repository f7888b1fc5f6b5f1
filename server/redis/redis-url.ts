import { Secret } from '../secret.ts';

/** Where Redis is, and as whom. */
export interface RedisSettings {
  /** A host and port, or the path of a socket. */
  at: { host: string; port: number } | { path: string };
  username: string | null;
  password: Secret | null;
  database: number;
  tls: boolean;
}

const SCHEMES = ['redis:', 'rediss:', 'unix:'];

/**
 * Reads `redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]` (`rediss:` over TLS) or `unix:/PATH[?db=DATABASE]`. Problems,
 * which never hold the address itself, are added to the list; null then, and where no address is given.
 */
export function parseRedisUrl(text: string | null, problems: string[]): RedisSettings | null {
  if (text === null) return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  const isSocket = url?.protocol === 'unix:';
  const isComplete = isSocket ? url.pathname.startsWith('/') && url.host === '' : url?.hostname;
  if (!url || !SCHEMES.includes(url.protocol) || !isComplete || url.hash) {
    problems.push('REDIS_URL must look like redis://HOST:6379, rediss://USER:PASSWORD@HOST or unix:/PATH.');
    return null;
  }
  const database = (isSocket ? url.searchParams.get('db') : url.pathname.slice(1)) || '0';
  if (!/^\d{1,4}$/.test(database)) {
    problems.push("REDIS_URL must name Redis' database by its number, such as redis://HOST:6379/1.");
    return null;
  }
  return {
    at: isSocket
      ? { path: decodeURIComponent(url.pathname) }
      : { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 6379) },
    username: decodeURIComponent(url.username) || null,
    password: url.password === '' ? null : new Secret(decodeURIComponent(url.password)),
    database: Number(database),
    tls: url.protocol === 'rediss:',
  };
}
