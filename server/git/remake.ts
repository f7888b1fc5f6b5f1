import { rename, rm } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { Project } from '../db/schema.ts';
import { makeBare } from './bare.ts';
import { lookUp } from './batch.ts';
import type { PinnedElsewhere } from './elsewhere.ts';
import { type Git, gitIn } from './git.ts';
import { pinCommit, pinnedCommits } from './pin.ts';
import { ALL_REFS, type Upstream } from './upstream.ts';

/**
 * Makes a damaged mirror anew beside the old one, and puts it in the old one's place once it holds all that the upstream
 * has and every pinned commit that can still be read. Until then the old one stays and serves what it can. It is removed
 * unless pinned commits were lost: then it is left as `….damaged` for the operator.
 */
export async function remake(o: {
  directory: string;
  environment: Record<string, string>;
  protocols: readonly string[];
  upstream: Upstream;
  log: Logger;
  signal: AbortSignal;
  project: Pick<Project, 'id' | 'name'> | null;
  elsewhere?: PinnedElsewhere | undefined;
}): Promise<void> {
  const anew = `${o.directory}.anew`;
  await rm(anew, { recursive: true, force: true });
  await makeBare(anew, o.protocols);
  const git = gitIn(anew, o.environment);
  await o.upstream.fetch(git, ALL_REFS, o.signal);
  const lost = await recoverPins({ ...o, anew, git });

  const damaged = `${o.directory}.damaged`;
  await rm(damaged, { recursive: true, force: true });
  await rename(o.directory, damaged);
  await rename(anew, o.directory);
  if (lost.length === 0) await rm(damaged, { recursive: true, force: true });
  o.log.warn({ lost, kept: lost.length === 0 ? null : damaged }, 'a damaged mirror was made anew');
}

/** Pins in the new mirror what the old one pinned: from the upstream's refs, else from the old objects, else by name, else from where pinned commits are besides. */
async function recoverPins(o: {
  directory: string;
  anew: string;
  environment: Record<string, string>;
  git: Git;
  upstream: Upstream;
  signal: AbortSignal;
  project: Pick<Project, 'id' | 'name'> | null;
  elsewhere?: PinnedElsewhere | undefined;
}): Promise<string[]> {
  const fromOld = (refspecs: string[]) =>
    o.git(
      [
        'fetch',
        '-v',
        '--no-tags',
        '--no-write-fetch-head',
        '--no-auto-maintenance',
        '--',
        o.directory,
        ...refspecs,
      ],
      {
        signal: o.signal,
        env: { GIT_ALLOW_PROTOCOL: 'file' },
      },
    );
  let missing = await pinHeld(o, await pinnedCommits(o.directory));
  if (missing.length > 0) {
    await fromOld(['refs/reprise/keep/*:refs/reprise/keep/*']);
    missing = await pinHeld(o, missing);
  }
  for (const sha of missing) {
    await fromOld([sha]);
    if ((await lookUp(o.git, [sha]))[0] === null)
      await o.upstream.fetch(o.git, [sha], o.signal).catch(() => null);
    if (o.project && (await lookUp(o.git, [sha]))[0] === null)
      await o.elsewhere?.bring(o.project, sha, { git: o.git, signal: o.signal });
  }
  return pinHeld(o, missing);
}

/** Pins those of `shas` that the new mirror holds; returns the others. */
async function pinHeld(o: { anew: string; git: Git }, shas: readonly string[]): Promise<string[]> {
  if (shas.length === 0) return [];
  const found = await lookUp(o.git, shas);
  for (const object of found) if (object?.type === 'commit') await pinCommit(o.anew, object.sha);
  return shas.filter((_, at) => found[at]?.type !== 'commit');
}
