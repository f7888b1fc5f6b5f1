/** A full object name (SHA-1, the only format GitHub serves). */
export function isSha(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}

/** A full or shortened object name that a person may type: 4 to 40 hexadecimal digits. */
export function isShaPrefix(text: string): boolean {
  return /^[0-9a-fA-F]{4,40}$/.test(text);
}

/**
 * Whether `name` is a full ref that may be asked of an upstream or of a mirror: below `refs/heads/`, `refs/tags/` or
 * `refs/pull/`, and well-formed as `git check-ref-format` has it. Reprise's own refs are never asked for by name.
 */
export function isPublicRef(name: string): boolean {
  return /^refs\/(heads|tags|pull)\/./.test(name) && isWellFormed(name);
}

/** Whether `name` could be a branch's or tag's short name, such as `main` or `release/1.2`. */
export function isShortRef(name: string): boolean {
  return name.length > 0 && !name.startsWith('-') && isWellFormed(`refs/heads/${name}`);
}

/** Whether `path` is a plain relative path inside a commit's tree: what may follow `<commit>:` in a question to git. */
export function isTreePath(path: string): boolean {
  if (path.length === 0 || path.length > 4096 || /[\0-\x1f\x7f]/.test(path)) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** The rules of git-check-ref-format(1), and a bound on the length. */
function isWellFormed(ref: string): boolean {
  if (ref.length > 1024) return false;
  if (/[\0-\x20\x7f~^:?*[\\]/.test(ref)) return false;
  if (ref.includes('..') || ref.includes('@{') || ref.endsWith('.')) return false;
  return ref.split('/').every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'));
}
