import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Build } from '../api.ts';
import { builds, wholeNumber } from './address.ts';
import { type Client, CommandFailure, refusalOf } from './client.ts';
import { bytes } from './print.ts';

/** `reprise download`: a build's artifacts into a directory, each checked against its digest before it gets its name. */
export async function download(
  client: Client,
  project: string,
  number: string,
  o: { artifact?: string; output?: string; json?: boolean },
): Promise<void> {
  const build = await client.json<Build>('GET', `${builds(project)}/${wholeNumber(number)}`);
  const wanted = build.artifacts.filter(({ name }) => o.artifact === undefined || name === o.artifact);
  if (wanted.length === 0) {
    const has = build.artifacts.map(({ name }) => name).join(', ') || 'none';
    throw new CommandFailure(`${project} #${number} has no such artifact; it has: ${has}.`);
  }
  await mkdir(o.output ?? '.', { recursive: true });
  const saved = [];
  for (const artifact of wanted) {
    const file = join(o.output ?? '.', basename(artifact.fileName));
    await save(
      client,
      `${builds(project)}/${build.number}/artifacts/${encodeURIComponent(artifact.fileName)}`,
      file,
      artifact.sha256,
    );
    saved.push({ file, sha256: artifact.sha256, size: artifact.size });
    if (!o.json) console.log(`${file}  ${bytes(artifact.size)}  sha256 ${artifact.sha256}`);
  }
  if (o.json) console.log(JSON.stringify(saved));
}

async function save(client: Client, path: string, file: string, sha256: string): Promise<void> {
  const response = await client.get(path);
  if (!response.ok || !response.body) throw await refusalOf(response);
  const partial = `${file}.partial`;
  const hash = createHash('sha256');
  const body = Readable.fromWeb(response.body);
  body.on('data', (chunk: Buffer) => hash.update(chunk));
  await pipeline(body, createWriteStream(partial));
  if (hash.digest('hex') !== sha256) {
    await rm(partial);
    throw new CommandFailure(`${basename(file)} arrived damaged: its digest is not ${sha256}. Try again.`);
  }
  await rename(partial, file);
}
