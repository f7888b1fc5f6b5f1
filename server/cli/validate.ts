import { open } from 'node:fs/promises';
import { parsePipeline } from '@reprise/pipelines/parse.ts';
import { formatProblem } from '@reprise/pipelines/problem.ts';
import { MAX_FILE_BYTES } from '@reprise/pipelines/yaml.ts';

/**
 * `reprise validate`: prints every problem of a pipeline file as `file:line:column: message` on `out`. Answers the exit
 * code: 0 valid, 1 it has problems, 2 it could not be read (said on `err`).
 */
export async function runValidate(o: {
  file: string;
  json: boolean;
  out: (line: string) => void;
  err: (line: string) => void;
}): Promise<0 | 1 | 2> {
  let text: Uint8Array;
  try {
    text = await readStart(o.file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const hint =
      code === 'ENOENT' ? ' does not exist; "reprise init" writes one' : ` cannot be read: ${message}`;
    o.err(`${o.file}${hint}`);
    return 2;
  }
  const { pipeline, problems } = parsePipeline(text);
  const jobs = pipeline?.jobs.map((job) => job.name) ?? [];
  if (o.json) {
    o.out(JSON.stringify({ file: o.file, valid: pipeline !== null, problems, jobs }));
  } else if (pipeline === null) {
    for (const problem of problems) o.out(formatProblem(o.file, problem));
  } else {
    o.out(`${o.file} is valid: ${jobs.length === 1 ? 'job' : 'jobs'} ${jobs.join(', ')}.`);
  }
  return pipeline === null ? 1 : 0;
}

/** A little more than a pipeline file may hold, so that a larger one is seen to be, but never read whole. */
async function readStart(path: string): Promise<Uint8Array> {
  await using file = await open(path, 'r');
  const buffer = Buffer.alloc(MAX_FILE_BYTES + 1);
  let size = 0;
  while (size < buffer.length) {
    const { bytesRead } = await file.read(buffer, size, buffer.length - size);
    if (bytesRead === 0) break;
    size += bytesRead;
  }
  return buffer.subarray(0, size);
}
