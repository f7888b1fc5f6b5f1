import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { ArtifactProblem } from './problem.ts';

/** Uncompresses a tarball piece by piece, never faster than it is taken. A damaged one is an `ArtifactProblem`. */
export async function readTar(file: string, take: (bytes: Buffer) => void): Promise<void> {
  const input = createReadStream(file, { highWaterMark: 256 * 1024 });
  const gunzip = input.pipe(createGunzip());
  input.once('error', (error) => gunzip.destroy(error));
  try {
    for await (const bytes of gunzip) take(bytes);
  } catch (error) {
    if (!(error as NodeJS.ErrnoException).code?.startsWith('Z_')) throw error;
    throw new ArtifactProblem(`The archive is damaged: ${(error as Error).message}.`);
  } finally {
    input.destroy();
  }
}
