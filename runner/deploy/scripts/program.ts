/**
 * What runs on a host. Its body is fixed text of this folder; everything that differs from deployment to deployment is a value,
 * which the shell is given as an assignment in single quotes.
 */
export interface Program {
  /** Shell variables, by name. */
  values: Record<string, string>;
  /** Variables for the commands of the pipeline file: the function `exports` sets them, in a shell of its own. */
  exported?: Record<string, string>;
  /** Positional parameters. */
  words?: readonly string[];
  body: string;
}

const READ =
  'while IFS= read -r n; do [ "$n" = stop ] || { p=$(dd bs=1 count="$n" 2>/dev/null) && (eval "$p"); }; done';

/**
 * The only command line that is ever given to a host: a reader that takes programs from standard input, each by its length, runs
 * one after the other in a shell of its own, and leaves what follows (the artifact's bytes) to the program. Nothing is ever put
 * into it. A `stop` that comes when its program has just ended is for nobody.
 *
 * It is read byte by byte, because a shell that reads its script from standard input may read ahead into what follows.
 */
export const READER = `exec sh -c '${READ}'`;

/** The same without a second shell, for a shell that is started directly. */
export const LOCAL_READER = READ;

/**
 * The bytes for the reader. Results are written to descriptor 3, the session's own standard output, each ended by a NUL: first
 * `mark`, so that what a login shell says before is not taken for one; then `key=value`; then `end=`, without which the
 * program did not come to its end. All else that is written is the log, which ends with a NUL and `mark` once more.
 *
 * It is one compound command: of a program that arrives only in part, nothing is run.
 */
export function programBytes(program: Program, mark: string): Buffer {
  const exported = program.exported ?? {};
  const names = Object.keys(exported);
  const text = [
    '{',
    'exec 3>&1 1>&2',
    `mark=${quote(mark)}`,
    `printf '%s\\0' "$mark" >&3`,
    ...assignments(program.values),
    `exports() {\n${[...assignments(exported), ...names.map((name) => `export ${name}`), ':'].join('\n')}\n}`,
    `set -- ${(program.words ?? []).map(quote).join(' ')}`,
    PRELUDE,
    program.body,
    'leave',
    '}',
  ].join('\n');
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from(`${bytes.length}\n`), bytes]);
}

/**
 * A value as one word of a shell, whatever it holds: nothing but a single quote means anything between single quotes, and that
 * is written outside of them. Throws for a NUL, which no shell can hold.
 */
export function quote(value: string): string {
  if (value.includes('\0')) throw new TypeError('a value for a shell contains a NUL');
  return `'${value.replaceAll("'", "'\\''")}'`;
}

/** `fail` ends the program with a sentence for people; `inside` refuses a directory that leads out of `root`, where there is one. */
const PRELUDE = `umask_before=$(umask)
umask 022
say() { printf '%s\\0' "$1" >&3; }
leave() { say end=; printf '\\0%s' "$mark" >&2; exit; }
fail() { say "fail=$1"; leave; }
inside() {
  [ -n "$root" ] || return 0
  real=$(cd -P -- "$1" && pwd -P) || fail "$1 cannot be entered."
  case "$real/" in "$root"/*) ;; *) fail "$1 leads to $real, outside of $root, below which alone local deployments may be." ;; esac
}`;

function assignments(values: Record<string, string>): string[] {
  return Object.entries(values).map(([name, value]) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new TypeError(`no name of a variable: ${name}`);
    return `${name}=${quote(value)}`;
  });
}
