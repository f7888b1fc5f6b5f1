import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../db/id.ts';

/**
 * Makes an empty bare repository at `directory`, or gives an existing one this version's configuration. By plain files:
 * a repository is no more than these, and no template or hook can come with it.
 */
export async function makeBare(directory: string, protocols: readonly string[]): Promise<void> {
  const config = mirrorConfig(protocols);
  const held = await readFile(join(directory, 'config'), 'utf8').catch(() => null);
  if (held === config) return;
  const isRepository = await readdir(join(directory, 'objects')).then(
    () => true,
    () => false,
  );
  if (isRepository) return replaceFile(join(directory, 'config'), config);
  const fresh = `${directory}.making-${newId()}`;
  for (const folder of ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags', 'refs/reprise/keep'])
    await mkdir(join(fresh, folder), { recursive: true });
  await writeFile(join(fresh, 'HEAD'), 'ref: refs/heads/main\n');
  await writeFile(join(fresh, 'config'), config);
  await rm(directory, { recursive: true, force: true });
  await rename(fresh, directory);
}

/** The file is always whole: the old one or the new one. */
export async function replaceFile(path: string, content: string): Promise<void> {
  const fresh = `${path}.${newId()}`;
  await writeFile(fresh, content);
  await rename(fresh, path);
}

/**
 * Flaws of authorship and layout that old, well-known histories carry. They harm nobody, and without this such
 * repositories could not be fetched at all. Whatever could harm a checkout (`.git` in a tree, `..`, doubled entries, hostile
 * submodule files) stays refused.
 */
const HARMLESS_FLAWS = [
  'zeroPaddedFilemode',
  'zeroPaddedDate',
  'badTimezone',
  'badDate',
  'badDateOverflow',
  'badEmail',
  'badName',
  'missingEmail',
  'missingNameBeforeEmail',
  'missingSpaceBeforeEmail',
  'missingSpaceBeforeDate',
  'missingTaggerEntry',
  'multipleAuthors',
  'badTagName',
  'nulInCommit',
  'emptyName',
] as const;

function mirrorConfig(protocols: readonly string[]): string {
  return `# Written by Reprise at every start; changes made here do not last.
[core]
	repositoryformatversion = 0
	bare = true
	hooksPath = /dev/null
	fsmonitor = false
	protectHFS = true
	protectNTFS = true
	logAllRefUpdates = false
[protocol]
	version = 2
	allow = never
${protocols.map((name) => `[protocol "${name}"]\n\tallow = always\n`).join('')}[transfer]
	fsckObjects = true
	bundleURI = false
[fetch]
	recurseSubmodules = false
	showForcedUpdates = false
	negotiationAlgorithm = skipping
[fetch "fsck"]
${HARMLESS_FLAWS.map((flaw) => `\t${flaw} = ignore\n`).join('')}[submodule]
	recurse = false
[gc]
	auto = 0
[maintenance]
	auto = false
[credential]
	helper =
[http]
	followRedirects = false
	lowSpeedLimit = 1000
	lowSpeedTime = 30
[advice]
	fetchShowForcedUpdates = false
[uploadpack]
	allowAnySHA1InWant = true
`;
}
