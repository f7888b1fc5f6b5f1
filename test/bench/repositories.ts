import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestRepository } from '../rig/repository.ts';

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
