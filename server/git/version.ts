/** Longer ones would not fit a file's name. */
const LONGEST = 128;

/** `git describe` as the version rule asks for it: tags that begin like a version number, twelve digits of the object name. */
export const DESCRIBE = [
  'describe',
  '--tags',
  '--abbrev=12',
  '--match',
  'v[0-9]*',
  '--match',
  '[0-9]*',
] as const;

/**
 * A version from a tag's name or from what `DESCRIBE` printed: a `v` before a digit is removed, and what does not belong in
 * a version becomes `-`.
 */
export function versionFrom(described: string): string {
  return described
    .trim()
    .replace(/^v(?=[0-9])/, '')
    .replace(/[^0-9A-Za-z.+-]/g, '-')
    .slice(0, LONGEST);
}

/** The version of a commit that no such tag leads to. */
export function untaggedVersion(commits: number, sha: string): string {
  return `0.0.0-${commits}-g${sha.slice(0, 12)}`;
}
