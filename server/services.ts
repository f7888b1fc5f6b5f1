import type { Kysely } from 'kysely';
import type { Logger } from 'pino';
import type { BlobStore } from './artifacts/blob.store.ts';
import type { Planner } from './builds/planner.ts';
import type { Bundles } from './bundles/bundles.ts';
import type { ServerConfig } from './config.ts';
import type { Database } from './db/schema.ts';
import type { DiskWatch } from './disk/watch.ts';
import type { Mirrors } from './git/mirrors.ts';
import type { Github } from './github/api.ts';
import type { Live } from './live/live.ts';
import type { LogStore } from './logs/log.store.ts';
import type { Lookout } from './lookout/lookout.ts';
import type { Queue } from './queue/queue.ts';
import type { Wake } from './queue/wake.ts';
import type { Retention } from './retention/sweep.ts';
import type { Background } from './servers/background.ts';
import type { Holds } from './servers/holds.ts';
import type { NewsBoard } from './servers/news.ts';
import type { Storage } from './storage/open.ts';
import type { Vault } from './vault.ts';

/** What the server is made of; built once in `app.ts` and handed to every group of routes. */
export interface Services {
  config: ServerConfig;
  /** The operator's log: JSON lines. Never a build's log. */
  log: Logger;
  db: Kysely<Database>;
  /** Read-only second connection, for lists. */
  reader: Kysely<Database>;
  vault: Vault;
  mirrors: Mirrors;
  /** Pinned commits in the storage. */
  bundles: Bundles;
  /** GitHub's API, where a token is configured. */
  github: Promise<Github> | null;
  logs: LogStore;
  blobs: BlobStore;
  /** What is behind `logs` and `blobs`, for who looks at all of it. */
  storage: Storage;
  live: Live;
  queue: Queue;
  /** Between the queue and the runners that wait, at whichever server. */
  wake: Wake;
  background: Background;
  /** What one server at a time does for all. */
  holds: Holds;
  /** Between the servers of an installation: what each tells the others at once. */
  news: NewsBoard;
  planner: Planner;
  retention: Retention;
  disk: DiskWatch;
  lookout: Lookout;
  /** Milliseconds since 1970; a test may give its own clock. */
  now(): number;
  /** The address people use, without a trailing slash: `REPRISE_URL`, or where the server listens. */
  publicUrl(): string;
}
