import { type ManifestEntry, manifestEntry } from '@reprise/runner/protocol.ts';
import { Refusal } from '../http/refusal.ts';
import type { BlobStore } from './blob.store.ts';

/**
 * The entries of a stored manifest, one after the other, without holding it in memory: runners write one entry a line. Each
 * is checked, for a runner wrote it.
 */
export async function* readManifest(blobs: BlobStore, sha256: string): AsyncGenerator<ManifestEntry> {
  const { stream } = await blobs.openVerified(sha256);
  try {
    for await (const line of linesOf(stream)) yield* entriesOf(line, sha256);
  } finally {
    stream.destroy();
  }
}

async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  yield rest + decoder.decode();
}

/** A line is a bracket, an entry with its comma, or a small manifest all on one line. */
function entriesOf(line: string, sha256: string): ManifestEntry[] {
  const text = line.trim().replace(/,$/, '');
  if (text === '' || text === '[' || text === ']') return [];
  try {
    return [JSON.parse(text)].flat().map((entry) => manifestEntry.parse(entry));
  } catch (cause) {
    const refusal = new Refusal(
      500,
      'artifact-damaged',
      `The manifest ${sha256} is not one that a runner writes.`,
    );
    refusal.cause = cause;
    throw refusal;
  }
}
