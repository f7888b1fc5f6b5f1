import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeRepository, type TestRepository } from '../rig/repository.ts';

/** A pipeline of one job with these steps: the sandbox and the checkout, nothing else. */
export function pipelineOf(...steps: string[]): string {
  const job = { steps: steps.map((run) => ({ run })) };
  return `version: 1\njobs: { job: ${JSON.stringify(job)} }\n`;
}

/** Adds so many commits of one small change each to `main`, quickly; their object names, the oldest first. */
export async function addCommits(repository: TestRepository, count: number): Promise<string[]> {
  const parent = repository.git('rev-parse', 'main');
  const lines = Array.from({ length: count }, (_, at) => {
    const content = `change ${at} after ${parent}\n`;
    return [
      'commit refs/heads/main',
      `mark :${at + 1}`,
      `committer Ada Example <ada@example.test> ${1_780_000_000 + at} +0000`,
      'data 8',
      'A change',
      ...(at === 0 ? [`from ${parent}`] : []),
      'M 100644 inline change.txt',
      `data ${content.length}`,
      content,
    ].join('\n');
  });
  fastImport(repository, `${lines.join('\n')}\ndone\n`);
  return marks(repository);
}

/** Repeatable randomness: the same seed gives the same repository on every machine. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Like an application with a past: so many files of prose-like source, changed in small places by later commits. */
const LARGE = { files: 3_000, linesPerFile: 270, commits: 400, filesPerCommit: 12 };

/** A repository of about 28 MB packed, repacked as a forge would keep it. */
export async function makeLargeRepository(path: string, pipeline: string): Promise<TestRepository> {
  const repository = makeRepository(path);
  const next = random(20_261_122);
  const files = Array.from({ length: LARGE.files }, (_, at) => {
    const content = Array.from({ length: LARGE.linesPerFile }, () => lineOf(next));
    return { path: `src/part-${at % 60}/module-${at}.ts`, content };
  });
  const first = [inline('.reprise.yml', pipeline), ...files.map((file) => inline(file.path, textOf(file)))];
  const stream = [commitOf(1, first)];
  for (let number = 2; number <= LARGE.commits; number += 1) {
    const changes: string[] = [];
    for (let change = 0; change < LARGE.filesPerCommit; change += 1) {
      const file = files[Math.floor(next() * files.length)];
      if (!file) continue;
      file.content[Math.floor(next() * file.content.length)] = lineOf(next);
      changes.push(inline(file.path, textOf(file)));
    }
    stream.push(commitOf(number, changes));
  }
  fastImport(repository, `${stream.join('')}done\n`);
  repository.git('repack', '-adfq');
  repository.git('reset', '--quiet', '--hard');
  return repository;
}

function commitOf(number: number, changes: string[]): string {
  const time = 1_770_000_000 + number * 60;
  return `commit refs/heads/main\ncommitter Ada Example <ada@example.test> ${time} +0000\ndata 7\nChange\n${changes.join('')}`;
}

function inline(path: string, content: string): string {
  return `M 100644 inline ${path}\ndata ${content.length}\n${content}\n`;
}

function textOf({ content }: { content: string[] }): string {
  return `${content.join('\n')}\n`;
}

/** Words of letters and digits in a frame that repeats: packs to about a third, as source does. */
function lineOf(next: () => number): string {
  const words = Array.from({ length: 6 }, () => Math.floor(next() * 36 ** 6).toString(36));
  return `  const ${words[0]} = await ${words[1]}.${words[2]}({ ${words[3]}: '${words[4]}', ${words[5]} });`;
}

function fastImport(repository: TestRepository, stream: string): void {
  const args = ['fast-import', '--quiet', '--done', '--export-marks=.git/marks'];
  execFileSync('git', args, { cwd: repository.path, input: stream, stdio: ['pipe', 'ignore', 'pipe'] });
}

async function marks({ path }: TestRepository): Promise<string[]> {
  const text = await readFile(join(path, '.git', 'marks'), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .toSorted(([a = ''], [b = '']) => Number(a.slice(1)) - Number(b.slice(1)))
    .map(([, sha = '']) => sha);
}
