import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { makeRepository, type TestRepository } from '../rig/repository.ts';

/** An application with a past: each commit changes some files, each file's every version a quarter of its lines. */
const SHAPE = { files: 1_200, lines: 100, changedLines: 23, commits: 3_000, filesPerCommit: 8 };
const VERSIONS = (SHAPE.commits * SHAPE.filesPerCommit) / SHAPE.files;

/** A repository of about 28 MB packed and 7 MB of files, the same on every machine. Half a minute at the very most. */
export async function makeLargeRepository(path: string, pipelineFile: string): Promise<TestRepository> {
  const repository = makeRepository(path);
  const git = spawn('git', ['fast-import', '--quiet', '--done'], {
    cwd: path,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const ended = once(git, 'close');
  await pipeline(Readable.from(stream(pipelineFile)), git.stdin);
  const [code] = await ended;
  if (code !== 0) throw new Error(`git fast-import ended with ${code}.`);
  repository.git('reset', '--quiet', '--hard');
  return repository;
}

/**
 * First every file's versions, then the commits. The newest version comes first, and git stores the older ones as their
 * differences to it, as it does when it packs.
 */
function* stream(pipelineFile: string): Generator<string> {
  const next = random(20_261_122);
  for (let file = 0; file < SHAPE.files; file += 1) {
    for (const [at, text] of versionsOf(next).entries()) {
      yield `blob\nmark :${markOf(file, VERSIONS - at)}\n${data(text)}`;
    }
  }
  const all = Array.from({ length: SHAPE.files }, (_, file) => change(file, 0)).join('');
  yield `${commit(0)}${all}M 100644 inline .reprise.yml\n${data(pipelineFile)}`;
  for (let number = 1; number <= SHAPE.commits; number += 1) {
    const first = (number - 1) * SHAPE.filesPerCommit;
    const files = Array.from({ length: SHAPE.filesPerCommit }, (_, at) => first + at);
    const changes = files.map((at) => change(at % SHAPE.files, Math.floor(at / SHAPE.files) + 1));
    yield `${commit(number)}${changes.join('')}`;
  }
  yield 'done\n';
}

function versionsOf(next: () => number): string[] {
  const lines = Array.from({ length: SHAPE.lines }, () => lineOf(next));
  const versions: string[] = [];
  for (let version = 0; version <= VERSIONS; version += 1) {
    versions.push(`${lines.join('\n')}\n`);
    for (let changed = 0; changed < SHAPE.changedLines; changed += 1)
      lines[Math.floor(next() * lines.length)] = lineOf(next);
  }
  return versions;
}

function commit(number: number): string {
  const time = 1_770_000_000 + number * 60;
  return `commit refs/heads/main\ncommitter Ada Example <ada@example.test> ${time} +0000\n${data('Change')}`;
}

function change(file: number, version: number): string {
  return `M 100644 :${markOf(file, version)} src/part-${file % 40}/module-${file}.ts\n`;
}

function markOf(file: number, version: number): number {
  return file * (VERSIONS + 1) + version + 1;
}

function data(text: string): string {
  return `data ${text.length}\n${text}\n`;
}

/** Words of letters and digits in a frame that repeats: packs to about half, as dense source does. */
function lineOf(next: () => number): string {
  const words = Array.from({ length: 6 }, () => Math.floor(next() * 36 ** 6).toString(36));
  return `  const ${words[0]} = await ${words[1]}.${words[2]}({ ${words[3]}: '${words[4]}', ${words[5]} });`;
}

/** Repeatable randomness: the same seed gives the same repository. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
