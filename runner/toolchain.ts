import { createHash } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { Toolchain } from './protocol.ts';
import type { Mount, Sandbox, Slot } from './sandbox/sandbox.ts';

export interface ToolchainOptions {
  sandbox: Sandbox;
  slot: Slot;
  /** A directory below one of the sandbox's roots, for some empty directories that are gone afterwards. */
  scratch: string;
  /** As steps have them: what they find is what is recorded. */
  mounts: readonly Mount[];
  path: string;
}

/** Some programs start slowly, but one that is stuck must not keep the runner from starting. */
const LONGEST_MS = 30_000;

/**
 * Asks every known tool that a step would find on its PATH for its version, inside a sandbox, all at the same time. Takes
 * a second or so; meant to be asked once, when a runner starts. What is not there is left out. Throws when the sandbox is broken.
 */
export async function readToolchain(o: ToolchainOptions): Promise<Toolchain> {
  const directory = mkdtempSync(join(o.scratch, 'toolchain-'));
  let output = '';
  try {
    const result = await o.sandbox.run({
      slot: o.slot,
      ...emptyDirectories(directory, o.slot),
      readOnly: [...o.mounts],
      writable: [],
      env: { PATH: o.path, HOME: '/home/build', LANG: 'C.UTF-8', TZ: 'UTC' },
      // The server that starts beside an embedded runner has the better right to the processors.
      argv: ['nice', '-n', '19', '/bin/sh', '-c', VERSIONS],
      cwd: '/workspace',
      network: 'none',
      onOutput: (chunk) => {
        output += chunk;
      },
      signal: AbortSignal.timeout(LONGEST_MS),
      killGraceMs: 0,
    });
    if (result.kind === 'broken') throw new Error(`the toolchain cannot be read: ${result.why}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return toolchainOf(output);
}

/** From lines `name<TAB>version` in any order; what is not of that form is left out. */
export function toolchainOf(output: string): Toolchain {
  const found = stripVTControlCharacters(output)
    .split('\n')
    .map((line) => /^([a-z0-9+]+)\t(.+)$/.exec(line))
    .flatMap((match) => (match ? [[match[1] ?? '', (match[2] ?? '').trim().slice(0, 256)] as const] : []))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = found.map(([name, version]) => `${name} ${version}\n`).join('');
  return { fingerprint: createHash('sha256').update(lines).digest('hex'), tools: Object.fromEntries(found) };
}

/** The tools that decide what a build makes, and how each is asked. */
const ASKED = {
  git: '--version',
  bash: '--version',
  cc: '--version',
  'c++': '--version',
  clang: '--version',
  rustc: '--version',
  cargo: '--version',
  go: 'version',
  java: '-version',
  javac: '-version',
  mvn: '--version',
  gradle: '--version',
  dotnet: '--version',
  node: '--version',
  npm: '--version',
  pnpm: '--version',
  yarn: '--version',
  bun: '--version',
  deno: '--version',
  python3: '--version',
  pip3: '--version',
  ruby: '--version',
  bundle: '--version',
  php: '--version',
  composer: '--version',
  perl: '-e "print $^V"',
  make: '--version',
  cmake: '--version',
  ninja: '--version',
  tar: '--version',
  gzip: '--version',
} as const;

const VERSIONS = `
say() { [ -z "$2" ] || printf '%s\\t%s\\n' "$1" "$2"; }
ask() {
  command -v "$1" >/dev/null || return 0
  say "$1" "$(eval "$1 $2" 2>&1 </dev/null | grep -m 1 '[0-9]')"
}
say os "$(. /etc/os-release && printf %s "$PRETTY_NAME")"
say kernel "$(uname -sr)"
say libc "$(ldd --version 2>&1 | grep -m 1 '[0-9]')"
${Object.entries(ASKED)
  .map(([tool, question]) => `ask ${tool} '${question}' &`)
  .join('\n')}
wait
`;

function emptyDirectories(directory: string, { owner }: Slot) {
  const make = (name: string) => {
    const path = join(directory, name);
    mkdirSync(path);
    if (owner) chownSync(path, owner.uid, owner.gid);
    return path;
  };
  chmodSync(directory, 0o711);
  return { workspace: make('workspace'), home: make('home'), tmp: make('tmp') };
}
