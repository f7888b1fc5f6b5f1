import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { newId } from '../db/id.ts';
import type { Project } from '../db/schema.ts';
import { readChain } from '../git/bundle.ts';
import type { Git } from '../git/git.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { bundlesOf, type ChainedBundle, chainOf, markDamaged } from './bundle.store.ts';

/**
 * Brings a commit from a project's bundles into a repository: the one it was recorded with, and as many of those before it as the
 * repository needs. false: it is in none, or a bundle is damaged, which is logged and noted so that it is made again.
 */
export async function recallCommit(
  services: Pick<Services, 'db' | 'blobs' | 'log' | 'now'>,
  project: Pick<Project, 'id' | 'name'>,
  o: { sha: string; git: Git; dir: string; signal: AbortSignal },
): Promise<boolean> {
  const { db, blobs, log, now } = services;
  const recorded = (await bundlesOf(db, project.id, [o.sha])).get(o.sha);
  if (recorded === undefined) return false;
  const chain = (await chainOf(db, project.id)).filter(({ number }) => number <= recorded).reverse();
  const written: string[] = [];
  async function* files() {
    for (const bundle of chain) {
      const file = join(o.dir, newId());
      written.push(file);
      yield await fetchBundle(bundle, file);
    }
  }
  const fetchBundle = async ({ sha256, number }: ChainedBundle, file: string): Promise<string> => {
    try {
      const { stream } = await blobs.openVerified(sha256);
      await pipeline(stream, createWriteStream(file, { mode: 0o600 }), { signal: o.signal });
    } catch (error) {
      if (isDamaged(error)) await markDamaged(db, project.id, { number, at: now() });
      throw error;
    }
    return file;
  };
  try {
    const isHere = await readChain(o.git, o.sha, { files: files(), signal: o.signal });
    const seen = { project: project.name, commit: o.sha, bundles: written.length };
    if (isHere) log.info(seen, 'a pinned commit was taken from the storage');
    else log.error(seen, 'a pinned commit is not in the bundles that it was recorded with');
    return isHere;
  } catch (error) {
    if (o.signal.aborted) throw error;
    log.error(
      { err: error, project: project.name, commit: o.sha },
      isDamaged(error)
        ? 'a bundle of pinned commits is damaged; it is made again from a mirror that has them'
        : 'a pinned commit could not be taken from the storage',
    );
    return false;
  } finally {
    for (const file of written) await rm(file, { force: true });
  }
}

function isDamaged(error: unknown): boolean {
  return error instanceof Refusal && error.code === 'artifact-damaged';
}
