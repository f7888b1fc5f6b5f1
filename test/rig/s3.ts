import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { parseStorageUrl, type S3Settings } from '@reprise/server/storage/storage-url.ts';
import { tempDir } from './temp.ts';

const PROGRAM = fileURLToPath(new URL('./programs/s3-server.py', import.meta.url));

/** Debian's own Python, for which Debian's packages are. */
const PYTHON = '/usr/bin/python3';

/** A private S3 server: OpenStack Swift, which Debian has, on a free port and in a directory that is gone with it. */
export interface S3Server extends AsyncDisposable {
  /** Where its files are; an object's bytes are in a file that ends in `.data`. */
  dir: string;
  /** For who asks the server directly. */
  client: S3Client;
  /** Makes a bucket and returns its `STORAGE_URL`. */
  bucket(name: string, options?: string): Promise<string>;
}

export async function startS3(): Promise<S3Server> {
  const dir = tempDir();
  // It ends with its standard input, so also when the test dies.
  const child = spawn(PYTHON, [PROGRAM, dir.path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [port] = await once(createInterface(child.stdout), 'line');
  const endpoint = `http://127.0.0.1:${port}`;
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'test:tester', secretAccessKey: 'testing' },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  return {
    dir: dir.path,
    client,
    async bucket(name, options = '') {
      await client.send(new CreateBucketCommand({ Bucket: name }));
      return `s3://test%3Atester:testing@127.0.0.1:${port}/${name}?tls=false${options}`;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      client.destroy();
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
      dir[Symbol.dispose]();
    },
  };
}

/** The settings of a `STORAGE_URL` that is known to be right. */
export function settingsOf(url: string): S3Settings {
  const problems: string[] = [];
  const settings = parseStorageUrl(url, {}, problems);
  if (!settings) throw new Error(problems.join(' '));
  return settings;
}
