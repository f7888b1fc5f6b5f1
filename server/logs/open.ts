import type { Services } from '../services.ts';
import type { ObjectStore } from '../storage/objects.ts';
import { DirectoryLogs } from './directory-logs.ts';
import type { LogStore } from './log.store.ts';
import { SharedLogs } from './shared-logs.ts';

/**
 * The logs of this installation: shared between servers where its configuration is for several, else files of this one in
 * `dir`. Both find finished logs of the other: a directory's objects are the same files.
 */
export function openLogs(
  { config, db, reader, log, now }: Pick<Services, 'config' | 'db' | 'reader' | 'log' | 'now'>,
  { objects, dir }: { objects: ObjectStore; dir: string },
): LogStore {
  if (config.storage === null && config.databaseUrl === null) return new DirectoryLogs({ dir });
  return new SharedLogs({ db, reader, objects, log, now });
}
