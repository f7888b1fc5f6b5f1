import picomatch from 'picomatch';
import { ArtifactProblem } from './problem.ts';

/** One of an artifact's `paths`, normalised: `text` without `./` and trailing slashes; empty for the workspace itself. */
export interface Selection {
  /** As written, for messages. */
  written: string;
  text: string;
}

/** Checks and normalises what the pipeline file says under `paths` or `exclude`. */
export function readSelection(written: string, key: 'paths' | 'exclude'): Selection {
  const refuse = (why: string) => new ArtifactProblem(`"${written}" under the artifact's ${key} ${why}`);
  if (written.startsWith('!'))
    throw refuse(
      key === 'paths' ? 'begins with "!": write it under exclude.' : 'begins with "!": leave it out.',
    );
  const parts = written.split('/').filter((part) => part !== '' && part !== '.');
  if (written.trim() === '') throw refuse('is empty.');
  if (written.startsWith('/') || parts.includes('..'))
    throw refuse('leaves the workspace. Name what is in it, relative to its top.');
  return { written, text: parts.join('/') };
}

/** Whether a workspace path is meant by one of the globs; dot files are. */
export function matcher(globs: readonly string[]): (path: string) => boolean {
  return globs.length === 0 ? () => false : picomatch([...globs], { dot: true });
}

/** A glob parted for walking: the directory that all its matches are below, and how many components they have at most. */
export function globReach(glob: string): { base: string; depth: number } {
  const { base } = picomatch.scan(glob);
  const anyDepth = /\*\*|[{(]/.test(glob);
  return { base, depth: anyDepth ? Number.POSITIVE_INFINITY : glob.split('/').length };
}
