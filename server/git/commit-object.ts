/** What a build records of its commit. Texts are as the author wrote them, decoded; nothing is cleaned. */
export interface CommitFacts {
  sha: string;
  /** Seconds since 1970: `SOURCE_DATE_EPOCH`. */
  committerTime: number;
  /** The first line. */
  subject: string;
  /** Subject and body. */
  message: string;
  authorName: string;
  authorEmail: string;
  parents: string[];
}

/** Reads a raw commit object (`git cat-file commit`). Headers that are missing or odd, as in old histories, read as empty or 0. */
export function parseCommit(sha: string, raw: Buffer): CommitFacts {
  const end = raw.indexOf('\n\n');
  const head = end < 0 ? raw : raw.subarray(0, end);
  const body = end < 0 ? Buffer.alloc(0) : raw.subarray(end + 2);
  const encoding = /\nencoding (\S+)/.exec(head.toString('latin1'))?.[1];
  const lines = decode(head, encoding).split('\n');
  const header = (name: string) =>
    lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? '';
  const author = parsePerson(header('author'));
  const message = decode(body, encoding).replace(/\n+$/, '');
  return {
    sha,
    committerTime: parsePerson(header('committer')).time,
    subject: message.replace(/^\n+/, '').split('\n', 1)[0] ?? '',
    message,
    authorName: author.name,
    authorEmail: author.email,
    parents: lines.filter((line) => line.startsWith('parent ')).map((line) => line.slice('parent '.length)),
  };
}

/** `Name <email> seconds zone`; the last `>` ends the address, whatever stands before it. */
function parsePerson(line: string): { name: string; email: string; time: number } {
  const open = line.indexOf('<');
  const close = line.lastIndexOf('>');
  if (open < 0 || close < open) return { name: line.trim(), email: '', time: 0 };
  const time = Number.parseInt(line.slice(close + 1), 10);
  return {
    name: line.slice(0, open).trim(),
    email: line.slice(open + 1, close).trim(),
    time: Number.isSafeInteger(time) && time > 0 ? time : 0,
  };
}

/** UTF-8 unless the commit names another encoding that is known here. */
function decode(bytes: Buffer, encoding: string | undefined): string {
  if (encoding) {
    try {
      return new TextDecoder(encoding).decode(bytes);
    } catch {
      return bytes.toString('latin1');
    }
  }
  return bytes.toString('utf8');
}
