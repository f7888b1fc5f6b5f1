import { lookUp } from './batch.ts';
import type { Git, GitResult } from './git.ts';
import { KEPT, keepRef } from './pin.ts';

/** Where the refs of a bundle are while several are read, one built upon the other. */
const READING = 'refs/reprise/reading';

/**
 * Writes commits that are pinned in a repository, with all that leads to them, into a bundle at `file`; of `without`, which the
 * repository need not hold, and of what leads to those, nothing. `empty`: `without` leads to all of them, and nothing is
 * written. `all` writes what every ref leads to. Fetches may go on: a bundle holds the refs of one moment.
 */
export async function writeBundle(
  git: Git,
  file: string,
  o: { commits: readonly string[] | 'all'; without: readonly string[]; signal?: AbortSignal },
): Promise<'written' | 'empty'> {
  const command = ['bundle', 'create', '--quiet', file];
  const signal = o.signal && { signal: o.signal };
  if (o.commits === 'all') {
    const all = await git([...command, '--all'], signal);
    if (all.code !== 0) throw failed('write the bundle', all);
    return 'written';
  }
  const held = o.without.length === 0 ? [] : await lookUp(git, o.without);
  const excluded = o.without.filter((_, at) => held[at]?.type === 'commit');
  const input = [...o.commits.map(keepRef), ...excluded.map((sha) => `^${sha}`), ''].join('\n');
  const written = await git([...command, '--stdin'], { input, ...signal });
  if (written.code === 0) return 'written';
  if (written.stderr.includes('empty bundle')) return 'empty';
  throw failed('write the bundle', written);
}

/**
 * Takes a bundle's objects into a repository, and its refs by `refspec`. `lacks`: they are built upon others that the repository does not
 * hold, and nothing was taken. The caller has checked the bundle's digest: its objects were accepted from upstream before.
 */
export async function readBundle(
  git: Git,
  file: string,
  o: { refspec: string; signal?: AbortSignal },
): Promise<'read' | 'lacks'> {
  const read = await git(
    [
      '-c',
      'transfer.fsckObjects=false',
      'fetch',
      '-v',
      '--no-tags',
      '--no-write-fetch-head',
      '--no-auto-maintenance',
      '--',
      file,
      o.refspec,
    ],
    { env: { GIT_ALLOW_PROTOCOL: 'file' }, ...(o.signal && { signal: o.signal }) },
  );
  if (read.code === 0) return 'read';
  if (read.stderr.includes('lacks these prerequisite commits')) return 'lacks';
  throw failed(`read ${file}`, read);
}

/**
 * Takes commit `sha` from bundles that are built one upon the other: `files` gives them, the newest first, and is asked for no
 * more than are needed. Nothing of them is pinned. false: it is in none of them.
 */
export async function readChain(
  git: Git,
  sha: string,
  { files, signal }: { files: AsyncIterable<string>; signal: AbortSignal },
): Promise<boolean> {
  const newer: string[] = [];
  try {
    for await (const file of files) {
      newer.unshift(file);
      if ((await readInTurn(git, newer, signal)) && (await lookUp(git, [sha]))[0]?.type === 'commit')
        return true;
    }
    return false;
  } finally {
    await forgetReading(git);
  }
}

/** Reads bundles from the oldest on; false where one of them lacks something. */
async function readInTurn(git: Git, files: readonly string[], signal: AbortSignal): Promise<boolean> {
  for (const file of files) {
    const refspec = `+${KEPT}/*:${READING}/*`;
    if ((await readBundle(git, file, { refspec, signal })) === 'lacks') return false;
  }
  return true;
}

async function forgetReading(git: Git): Promise<void> {
  const { stdout } = await git(['for-each-ref', '--format=delete %(refname)', READING]);
  if (stdout.length > 0) await git(['update-ref', '--stdin'], { input: stdout.toString() });
}

function failed(what: string, { stderr, code }: GitResult): Error {
  return new Error(`Git could not ${what}: ${stderr.trim().slice(0, 800) || `exit code ${code}`}`);
}
