import { join } from 'node:path';
import { DirectoryStore } from './directory.ts';
import type { ObjectStore } from './objects.ts';
import type { S3Settings } from './storage-url.ts';

/** Where an installation keeps what its builds made and said. */
export interface Storage extends AsyncDisposable {
  blobs: ObjectStore;
  logs: ObjectStore;
  /** Rejects while the storage does not answer; null where it is a directory. */
  ping: (() => Promise<void>) | null;
}

/**
 * Opens the storage: S3-compatible where it is set, else directories below the data. The library for S3 is loaded only
 * then: it costs 8 MiB of memory and a tenth of a second or more, which an installation on one machine does not pay.
 * `besideServer`: to read, while a server works on it.
 */
export async function openStorage(
  settings: S3Settings | null,
  dataDir: string,
  o: { besideServer?: boolean } = {},
): Promise<Storage> {
  const { blobs, logs, ping, end } = settings ? await openS3(settings) : openDirectories(dataDir, o);
  return {
    blobs,
    logs,
    ping,
    async [Symbol.asyncDispose]() {
      await blobs.close();
      await logs.close();
      end();
    },
  };
}

async function openS3(settings: S3Settings) {
  const { connectS3, pingS3, S3Store } = await import('./s3.ts');
  const client = await connectS3(settings);
  return {
    blobs: new S3Store(client, settings, 'blobs'),
    logs: new S3Store(client, settings, 'logs'),
    ping: () => pingS3(client, settings.bucket),
    end: () => client.destroy(),
  };
}

function openDirectories(dataDir: string, o: { besideServer?: boolean }) {
  const below = (name: string) => new DirectoryStore({ dir: join(dataDir, name), ...o });
  return { blobs: below('blobs'), logs: below('logs'), ping: null, end: () => {} };
}
