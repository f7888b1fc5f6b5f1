/**
 * `unreachable`: the upstream said no or did not answer. `timeout`: it was not done in time. `damaged`: the mirror's own
 * objects cannot be read and could not be made anew.
 */
export type MirrorFaultKind = 'unreachable' | 'timeout' | 'damaged';

/** Git could not do what a mirror needed. `sentence` carries git's own words without credentials, fit for a build's page. */
export class MirrorFault extends Error {
  readonly kind: MirrorFaultKind;
  readonly sentence: string;

  constructor(kind: MirrorFaultKind, sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.name = 'MirrorFault';
    this.kind = kind;
    this.sentence = sentence;
  }
}

/** Longer answers of git are cut: a page shows them, and an upstream writes them. */
const MOST_WORDS = 800;

/**
 * What git said on standard error, as one line: its notices and progress left out, control characters, credentials in
 * addresses, and each of `secrets` (tokens, paths of key files) removed.
 */
export function gitWords(stderr: string, secrets: readonly string[] = []): string {
  let words = stderr
    .split(/[\r\n]+/)
    .map((line) => line.replace(/\x1b\[[0-9;?]*[ -/]*[@-~]/g, '').replace(/[\0-\x1f\x7f]/g, ' '))
    .map((line) => line.trim())
    .filter((line) => line !== '' && !isNotice(line))
    .join(' ');
  for (const secret of secrets) if (secret !== '') words = words.replaceAll(secret, '[redacted]');
  words = words.replace(/:\/\/[^\s/@'"]{1,512}@/g, '://');
  return words.length > MOST_WORDS ? `${words.slice(0, MOST_WORDS)}…` : words;
}

/** Whether git complained of this repository's own objects or files, rather than of what the upstream sent or said. */
export function saysDamaged(stderr: string): boolean {
  const own = stderr
    .split('\n')
    .filter((line) => !/^(remote:|fatal: remote|error: remote)|fsck error/.test(line));
  return own.some((line) => DAMAGE.some((pattern) => pattern.test(line)));
}

const DAMAGE = [
  /bad object/,
  /\bmissing (blob|tree|commit|tag)\b/,
  /unable to (read (sha1|tree|object|[0-9a-f]{7})|unpack|parse (object|commit)|find [0-9a-f]{40})/,
  /[Cc]ould not (read [0-9a-f]{40}|parse (commit|object))/,
  /[Ff]ailed to (read object|traverse parents|parse)/,
  /\bis (corrupt|truncated)|\bcorrupt(ed)?\b/,
  /inflate: /,
  /packfile .* (cannot be accessed|does not match|is far too short|claims|signature)/,
  /index file .* (is too small|is non-monotonic)|(pack|index) .*mismatch/,
  /invalid (sha1 pointer|object [0-9a-f])/,
  /fatal: not a git repository/,
  /bad (config|tree object|packed)|packed-refs.*(unexpected|unterminated)|unexpected line in /,
  /object file .* is empty/,
  /does not have all necessary objects|did not send all necessary objects/,
];

/** Lines that say what went well, or only decorate. */
function isNotice(line: string): boolean {
  return (
    /^(From|POST|GET|Fetching|Auto packing) /.test(line) ||
    /^[ *=+!tx-]\s*\[?(up to date|new (branch|tag|ref)|deleted|tag update)/.test(line) ||
    /^[+*=-]? ?[0-9a-f]{4,40}\.{2,3}[0-9a-f]{4,40} /.test(line) ||
    /^\S+ -> \S+$/.test(line) ||
    /^(remote: )?(Enumerating|Counting|Compressing|Receiving|Resolving|Unpacking|Total)\b/.test(line) ||
    /^(warning|hint): /.test(line) ||
    /^error: unable to read askpass response/.test(line) ||
    /^(Please make sure you have the correct access rights|and the repository exists\.)$/.test(line) ||
    /^@+$/.test(line)
  );
}
