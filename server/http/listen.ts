import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ServerConfig } from '../config.ts';

/** Listens, and gives the address: `http://HOST:PORT`. Throws a sentence for the operator where it cannot. */
export async function listen(
  http: Server,
  { host, port }: Pick<ServerConfig, 'host' | 'port'>,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  http.once('error', reject);
  http.listen({ host, port }, resolve);
  await promise.catch((cause: NodeJS.ErrnoException) => {
    const taken =
      cause.code === 'EADDRINUSE' ? ' Another program listens there: choose another REPRISE_PORT.' : '';
    throw new Error(`Reprise cannot listen on ${host}:${port} (${cause.code}).${taken}`, { cause });
  });
  http.off('error', reject);
  const address = http.address() as AddressInfo;
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
}

/**
 * Requests being answered get 15 seconds, so that with the rest a server is gone within 30; connections that only wait are closed at once, those
 * whose request is answered meanwhile soon after it.
 */
export async function closeHttp(http: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => http.close(() => resolve()));
  http.closeIdleConnections();
  const idle = setInterval(() => http.closeIdleConnections(), 50);
  const patience = setTimeout(() => http.closeAllConnections(), 15_000);
  await closed;
  clearInterval(idle);
  clearTimeout(patience);
}
