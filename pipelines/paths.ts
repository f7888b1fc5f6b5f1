/**
 * What is wrong with a path that must stay inside the workspace (or a release), as the end of a sentence that begins with
 * its name; null when nothing is. Only the spelling is judged here; links are judged where files are opened.
 */
export function insideProblem(path: string): string | null {
  if (path.trim() === '') return 'must not be empty';
  if (path.length > LONGEST_PATH) return `must have at most ${LONGEST_PATH} characters`;
  if (/[\x00-\x1f\x7f]/.test(path)) return 'must not contain control characters';
  if (path.startsWith('/')) return 'must be relative to the root of the repository, not absolute';
  if (path.startsWith('~')) return 'must be relative to the root of the repository, not to a home directory';
  if (path.includes('\\')) return 'must be written with / and without backslashes';
  if (path.split('/').includes('..')) return 'must stay inside the repository: ".." leaves it';
  return null;
}

const LONGEST_PATH = 1024;

/** The same path without `./`, doubled slashes and `.` segments; a trailing slash is kept. The root itself is `.`. */
export function tidyPath(path: string): string {
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.length === 0) return '.';
  return segments.join('/') + (path.endsWith('/') ? '/' : '');
}
