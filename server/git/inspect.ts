import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileAt, readObjects } from './batch.ts';
import { type CommitFacts, parseCommit } from './commit-object.ts';
import { type Git, OutputTooLarge, read, unreadable } from './git.ts';
import { isPublicRef, isSha } from './names.ts';
import { DESCRIBE, untaggedVersion, versionFrom } from './version.ts';

/** A tag that leads to a commit: the short name and the object it names (the tag object, if annotated). */
export interface MergedTag {
  name: string;
  object: string;
}

/** Everything that planning a build asks of a commit. */
export interface Inspection {
  commit: CommitFacts;
  /** By the rule of the artifact's version. */
  version: string;
  tags: MergedTag[];
  /** The first of `fileAt` that has the file, with the file's bytes and the commit they were read at. */
  file: { from: string; commit: string; bytes: Buffer } | null;
  /** The file is larger than `maxBytes`; `file` is then null. */
  tooLarge: boolean;
}

export interface InspectOptions {
  /** The tag this build is for: then its version. */
  tag: string | null;
  /** Path of the pipeline file. */
  file: string;
  /** Where to look for the file, in order: object names, full refs or `HEAD` (the upstream's default branch). */
  fileAt: readonly string[];
  maxBytes: number;
}

/**
 * Looks at commit `sha` with three processes side by side; two where the repository has no tags, a fourth afterwards where
 * it has, but none leads to the commit. null: no such commit here.
 */
export async function inspect(
  { git, directory }: { git: Git; directory: string },
  sha: string,
  options: InspectOptions,
): Promise<Inspection | null> {
  const side = describeAndTags(git, sha, { tag: options.tag, isTagged: await hasTags(directory) });
  side.catch(() => {});
  const found = await readCommitAndFile(git, sha, options);
  if (!found) return null;
  const [version, tags] = await side;
  if (version === null || tags === null) return null;
  return { ...found, version, tags };
}

function describeAndTags(
  git: Git,
  sha: string,
  { tag, isTagged }: { tag: string | null; isTagged: boolean },
): Promise<[string | null, MergedTag[] | null]> {
  const untagged = isTagged ? describe : countedVersion;
  return Promise.all([
    tag === null ? untagged(git, sha) : versionFrom(tag),
    isTagged ? tagsMerged(git, sha) : [],
  ]);
}

/** The version of a commit that is not a tag's build. null: no such commit. */
export async function describe(git: Git, sha: string): Promise<string | null> {
  const described = await git([...DESCRIBE, sha]);
  return described.code === 0 ? versionFrom(described.stdout.toString()) : countedVersion(git, sha);
}

async function countedVersion(git: Git, sha: string): Promise<string | null> {
  const counted = await git(['rev-list', '--count', sha, '--']);
  if (counted.code === 0) return untaggedVersion(Number(counted.stdout.toString()), sha);
  return /^fatal: (bad object|bad revision)/.test(counted.stderr) ? null : fail(counted);
}

/** The tags that lead to a commit, sorted by name. null: no such commit. */
export async function tagsMerged(git: Git, sha: string): Promise<MergedTag[] | null> {
  const args = ['for-each-ref', `--merged=${sha}`, '--format=%(refname) %(objectname)', 'refs/tags'];
  const result = await git(args);
  if (result.code !== 0)
    return /malformed object name|must point to a commit/.test(result.stderr) ? null : fail(result);
  const lines = result.stdout.toString().split('\n').filter(Boolean);
  return lines.map((line) => {
    const space = line.lastIndexOf(' ');
    return { name: line.slice('refs/tags/'.length, space), object: line.slice(space + 1) };
  });
}

/** A commit's facts. null: no such commit. */
export async function readCommit(git: Git, sha: string): Promise<CommitFacts | null> {
  const [object] = await readObjects(git, [sha]);
  return object?.type === 'commit' ? parseCommit(object.sha, object.bytes) : null;
}

/** Two files tell it: asking git costs as much as all the rest. */
async function hasTags(directory: string): Promise<boolean> {
  const loose = await readdir(join(directory, 'refs/tags')).catch(() => []);
  if (loose.length > 0) return true;
  const packed = await readFile(join(directory, 'packed-refs'), 'latin1').catch(() => '');
  return packed.includes(' refs/tags/');
}

/** Room for what commits say of themselves; a message of a megabyte is a nuisance, but no reason not to build. */
const COMMITS_BYTES = 16 * 2 ** 20;

async function readCommitAndFile(
  git: Git,
  sha: string,
  options: InspectOptions,
): Promise<Pick<Inspection, 'commit' | 'file' | 'tooLarge'> | null> {
  const from = options.fileAt.filter((place) => isSha(place) || isPublicRef(place) || place === 'HEAD');
  const places = from.flatMap((place) => [fileAt(place, options.file), `${place}^{commit}`]);
  const maxBytes = COMMITS_BYTES + options.maxBytes * from.length;
  try {
    const [object, ...found] = await readObjects(git, [sha, ...places], { maxBytes });
    if (object?.type !== 'commit') return null;
    const commit = parseCommit(sha, object.bytes);
    for (const [at, place] of from.entries()) {
      const [file, source] = [found[2 * at], found[2 * at + 1]];
      if (file?.type !== 'blob' || !source) continue;
      if (file.size > options.maxBytes) return { commit, file: null, tooLarge: true };
      return { commit, file: { from: place, commit: source.sha, bytes: file.bytes }, tooLarge: false };
    }
    return { commit, file: null, tooLarge: false };
  } catch (error) {
    if (!(error instanceof OutputTooLarge)) throw error;
    const head = await read(git, ['cat-file', 'commit', sha], { maxBytes });
    return { commit: parseCommit(sha, head), file: null, tooLarge: true };
  }
}

function fail(result: { code: number; stdout: Buffer; stderr: string }): never {
  throw unreadable(['describe'], result);
}
