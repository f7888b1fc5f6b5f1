import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildPage } from '@reprise/server/page/build.ts';
import { PostgresServer } from './postgres.ts';

const UI = join(import.meta.dirname, '../../ui');

/**
 * Once before all tests. Servers that start side by side find the page built, and none of them builds it. With
 * `TEST_ENGINE=postgres` they find a PostgreSQL.
 */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  await buildPage(() => {});
  // What the page's sources extend: `npm ci` takes it away, and a page that is built already does not bring it.
  if (!existsSync(join(UI, 'node_modules/$app'))) execFileSync('npx', ['svelte-kit', 'sync'], { cwd: UI });
  if (process.env['TEST_ENGINE'] !== 'postgres') return undefined;
  const postgres = await PostgresServer.start();
  process.env['TEST_POSTGRES'] = postgres.socket;
  return () => postgres[Symbol.asyncDispose]();
}
