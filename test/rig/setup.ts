import { buildPage } from '@reprise/server/page/build.ts';
import { PostgresServer } from './postgres.ts';

/**
 * Once before all tests. Servers that start side by side find the page built, and none of them builds it. With
 * `TEST_ENGINE=postgres` they find a PostgreSQL.
 */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  await buildPage(() => {});
  if (process.env['TEST_ENGINE'] !== 'postgres') return undefined;
  const postgres = await PostgresServer.start();
  process.env['TEST_POSTGRES'] = postgres.socket;
  return () => postgres[Symbol.asyncDispose]();
}
