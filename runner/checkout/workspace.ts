import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where a checkout sees the mirror's objects and the unpacked inputs, inside the sandbox. */
export const OBJECTS_INSIDE = '/reprise/objects';
export const INPUTS_INSIDE = '/reprise/inputs';

export interface Checkout {
  commit: string;
  cloneUrl: string;
  tags: readonly { name: string; object: string }[];
}

type Owner = { uid: number; gid: number } | null;

/**
 * Writes the workspace's `.git` as plain files (no more of them than git asks for), so that no git of the host ever works in a directory that a build can
 * write: detached at the commit, with the recorded tags, `origin` at the upstream address, and all objects borrowed from
 * the runner's mirror, which is mounted read-only. The files themselves are written inside the sandbox: `checkoutScript`.
 */
export function writeGitDirectory(workspace: string, checkout: Checkout, owner: Owner): void {
  const own = (path: string) => {
    if (owner) chownSync(path, owner.uid, owner.gid);
  };
  const gitDirectory = join(workspace, '.git');
  for (const part of ['', 'objects', 'objects/info', 'refs']) {
    mkdirSync(join(gitDirectory, part));
    own(join(gitDirectory, part));
  }
  const tags = checkout.tags.filter(isPlainTag).map(packedTag).join('');
  const files = {
    HEAD: `${checkout.commit}\n`,
    config: configuration(checkout.cloneUrl),
    'objects/info/alternates': `${OBJECTS_INSIDE}\n`,
    ...(tags === '' ? {} : { 'packed-refs': tags }),
  };
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(gitDirectory, name), text);
    own(join(gitDirectory, name));
  }
}

/**
 * Shell text that fills the workspace, and says what is not in it. git gets an empty environment: the job's own variables
 * (`GIT_DIR`, `PATH`) are for its steps.
 */
export function checkoutScript(o: { path: string; withInputs: boolean }): string {
  const git = `env -i PATH=${quote(o.path)} HOME=/home/build LC_ALL=C GIT_CONFIG_NOSYSTEM=1 git`;
  return [
    `${git} -c core.hooksPath=/dev/null -c checkout.workers=0 read-tree --reset -u HEAD || exit`,
    'if [ -f .gitmodules ]; then',
    '  echo "Not fetched: the submodules that .gitmodules names:"',
    `  ${git} config --file .gitmodules --get-regexp 'submodule\\..*\\.path' | cut -d' ' -f2- | sed 's/^/  /' | head -n 50`,
    'fi',
    'if [ -f .gitattributes ] && grep -q filter=lfs .gitattributes; then',
    '  echo "Not fetched: the contents of files that Git LFS keeps elsewhere; the workspace has their pointers:"',
    `  ${git} ls-files ':(attr:filter=lfs)' | sed 's/^/  /' | head -n 50`,
    'fi',
    ...(o.withInputs ? [`cp -RPf ${INPUTS_INSIDE}/. . || exit`] : []),
    'true',
  ].join('\n');
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function configuration(cloneUrl: string): string {
  const url = cloneUrl.replaceAll(/[\\"]/g, '\\$&').replaceAll(/[\r\n\0]/g, '');
  return [
    '[core]',
    '\trepositoryformatversion = 0',
    '\tfilemode = true',
    '\tbare = false',
    '\tlogallrefupdates = false',
    '[advice]',
    '\tdetachedHead = false',
    '[maintenance]',
    '\tauto = false',
    '[remote "origin"]',
    `\turl = "${url}"`,
    '\tfetch = +refs/heads/*:refs/remotes/origin/*',
    '',
  ].join('\n');
}

/** git's own rules for the name of a ref, as far as a line of packed-refs could be broken by it. */
function isPlainTag(tag: { name: string; object: string }): boolean {
  const unsafe = /[\s\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|^[/.-]|\/\.|[/.]$|\.lock(\/|$)/;
  return /^[0-9a-f]{40}$/.test(tag.object) && tag.name !== '' && !unsafe.test(tag.name);
}

function packedTag(tag: { name: string; object: string }): string {
  return `${tag.object} refs/tags/${tag.name}\n`;
}
