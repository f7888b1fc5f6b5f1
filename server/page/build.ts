import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { takeLock } from '../lock.ts';

/** The page's package beside the server's, and where its build is. */
const UI = join(import.meta.dirname, '../../ui');
export const PAGE_DIR = join(UI, 'dist');

/** Whatever the server itself runs as, a test's too: what Svelte adds for developers is a third more, and slower. */
const MODE = { NODE_ENV: 'production' };

/** Which sources the build was made from. */
const STAMP = join(PAGE_DIR, '.sources');

/** Held by who builds: two at once in one checkout would take each other's files away. */
const LOCK = join(UI, '.building');
const PATIENCE_MS = 120_000;

/**
 * Builds the page where it is not built yet or its sources have changed since; a few seconds, said by `say`. Without the tools that
 * build it (an installation without development packages) what is there is served as it is. Throws with the tool's output.
 */
export async function buildPage(say: (sentence: string) => void): Promise<void> {
  const vite = findVite();
  if (vite === null) return;
  const sources = digestSources();
  if (isBuiltFrom(sources)) return;
  const lock = takeLock(LOCK, { waitMs: PATIENCE_MS });
  if (lock === null) throw new Error(`Somebody else has been building the page in ${UI} for too long.`);
  try {
    if (isBuiltFrom(sources)) return;
    say('Building the page.');
    await run(vite);
    writeFileSync(STAMP, sources);
  } finally {
    lock.release();
  }
}

function isBuiltFrom(sources: string): boolean {
  return existsSync(join(PAGE_DIR, 'index.html')) && readStamp() === sources;
}

function findVite(): string | null {
  try {
    const manifest = createRequire(join(UI, 'package.json')).resolve('vite/package.json');
    return join(dirname(manifest), 'bin/vite.js');
  } catch {
    return null;
  }
}

/** sha256 over the names and contents of everything that goes into the page. */
function digestSources(): string {
  const hash = createHash('sha256').update(JSON.stringify(MODE));
  const files = ['src', 'static'].flatMap((folder) =>
    readdirSync(join(UI, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  for (const file of [...files, join(UI, 'package.json'), join(UI, 'vite.config.ts')].sort()) {
    const content = readFileSync(file);
    hash.update(`${file.slice(UI.length)}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

function readStamp(): string | null {
  return existsSync(STAMP) ? readFileSync(STAMP, 'utf8') : null;
}

function run(vite: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = spawn(process.execPath, [vite, 'build', '--logLevel', 'warn'], {
    cwd: UI,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...MODE },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  }
  child.once('error', reject);
  child.once('close', (code) => {
    if (code === 0) resolve();
    else reject(new Error(`The page could not be built:\n${output}`));
  });
  return promise;
}
