/** Longest text of a foreign hand that is kept, in bytes of UTF-8; the same bound as Buildkite's for commit messages. */
export const TEXT_LIMIT = 64 * 1024;

/** The text verbatim, or as many whole characters of it as fit into `TEXT_LIMIT` bytes. */
export function cutText(text: string): string {
  if (text.length * 3 <= TEXT_LIMIT) return text;
  const bytes = Buffer.from(text);
  if (bytes.length <= TEXT_LIMIT) return text;
  let end = TEXT_LIMIT;
  // 10xxxxxx continues a character: step back to where it begins.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
