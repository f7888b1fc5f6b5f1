/** A full ref as people call it: "main", "v1.2 (tag)", "pull request 7". Empty: the event is about none. */
export function refWords(ref: string | null): string {
  const [, kind, name = ''] = /^refs\/(heads|tags|pull)\/(.+)$/s.exec(ref ?? '') ?? [];
  if (kind === 'heads') return name;
  if (kind === 'tags') return `${name} (tag)`;
  return kind === 'pull' ? `pull request ${name.replace(/\/(head|merge)$/, '')}` : (ref ?? '');
}
