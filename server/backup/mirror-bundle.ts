import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeBare } from '../git/bare.ts';
import { readBundle, writeBundle } from '../git/bundle.ts';
import { gitEnvironment } from '../git/environment.ts';
import { type GitResult, gitIn } from '../git/git.ts';

/** A bundle is read and written here, never over a network. */
const ENVIRONMENT = gitEnvironment(process.env, ['file']);

/**
 * Writes everything a mirror's refs lead to, the pinned commits among it, into one bundle at `file`. false: there is no
 * mirror, or nothing in it. Fetches may go on: a bundle holds the refs of one moment.
 */
export async function bundleMirror(mirror: string, file: string): Promise<boolean> {
  if (!(await stat(mirror).catch(() => null))) return false;
  const git = gitIn(mirror, ENVIRONMENT);
  const refs = await git(['for-each-ref', '--count=1', '--format=%(refname)']);
  if (refs.code !== 0) throw unusable(mirror, refs);
  if (refs.stdout.length === 0) return false;
  await writeBundle(git, file, { commits: 'all', without: [] });
  return true;
}

/** Makes a mirror of a bundle, all its refs as they were. What upstream has had since is fetched like anything new. */
export async function unbundleMirror(file: string, mirror: string): Promise<void> {
  await makeBare(mirror, ['file']);
  const git = gitIn(mirror, ENVIRONMENT);
  if ((await readBundle(git, file, { refspec: '+refs/*:refs/*' })) === 'lacks')
    throw new Error(`${file} is not a whole mirror: it is built upon another bundle.`);
}

/** Where a project's mirror is below a data directory. */
export function mirrorOf(dataDir: string, projectId: string): string {
  return join(dataDir, 'mirrors', `${projectId}.git`);
}

function unusable(what: string, { stderr, code }: GitResult): Error {
  return new Error(`Git could not read ${what}: ${stderr.trim().slice(0, 800) || `exit code ${code}`}`);
}
