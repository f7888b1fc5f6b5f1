import { posix } from 'node:path';
import { ArtifactProblem } from './problem.ts';

/** What a tree says about a path below its top: another kind of entry, a link's target, or nothing there. */
export type Look = (path: string) => { target: string } | 'directory' | 'file' | undefined;

/** As many links as Linux follows before it gives up (path_resolution(7)). */
const MOST_LINKS = 40;

/**
 * Refuses a symbolic link that does not lead, through the tree's own directories and links alone, to something in the tree.
 * Nothing is asked of a file system: what is checked is the artifact, not the machine it is packed or unpacked on.
 */
export function assertLink(path: string, target: string, look: Look): void {
  const refuse = (why: string) =>
    new ArtifactProblem(
      `The link "${path}" ${why} ("${target}"). An artifact holds only relative links to what is in it: exclude the link or add its target.`,
    );
  if (target === '') throw refuse('has no target');
  if (target.startsWith('/')) throw refuse('is absolute');
  const ahead = target.split('/').reverse();
  let at = posix.dirname(path);
  let followed = 1;
  while (ahead.length > 0) {
    const part = ahead.pop();
    if (part === undefined || part === '' || part === '.') continue;
    if (part === '..') {
      if (at === '.') throw refuse('leaves the artifact');
      at = posix.dirname(at);
      continue;
    }
    const next = at === '.' ? part : `${at}/${part}`;
    const found = look(next);
    if (found === undefined) throw refuse('points at nothing in the artifact');
    if (found === 'file' && ahead.length > 0) throw refuse('passes through a file');
    if (typeof found === 'string') {
      at = next;
      continue;
    }
    followed += 1;
    if (followed > MOST_LINKS) throw refuse('goes in a circle');
    if (found.target.startsWith('/')) throw refuse('leads to an absolute link');
    ahead.push(...found.target.split('/').reverse());
  }
}
