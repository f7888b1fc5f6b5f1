import { environment, freezeWindow, haproxy, health, prepare } from './environment.schema.ts';
import { app, cancelSuperseded, onMap, pipelineFile, pullRequest, push, schedule } from './file.schema.ts';
import { artifact, concurrency, job, step } from './job.schema.ts';
import { didYouMean } from './nearest.ts';
import type { Path } from './yaml-places.ts';

interface Section {
  known: string[];
  /** Keys that the language has, but this version of Reprise cannot carry out. */
  reserved: string[];
}

const section = (schema: { shape: object }, reserved: string[] = []): Section => ({
  known: Object.keys(schema.shape),
  reserved,
});

/** By the path of the map, in which `*` stands for a name of the author's or an item's number. */
const SECTIONS: Readonly<Record<string, Section>> = {
  '': section(pipelineFile),
  app: section(app),
  on: section(onMap),
  'on.push': section(push),
  'on.pull_request': section(pullRequest),
  'on.schedule.*': section(schedule),
  'cancel-superseded': section(cancelSuperseded),
  'jobs.*': section(job, ['image', 'services', 'matrix', 'if', 'cache', 'reports', 'submodules', 'lfs']),
  'jobs.*.concurrency': section(concurrency),
  'jobs.*.artifact': section(artifact),
  'jobs.*.artifacts.*': section(artifact),
  'jobs.*.steps.*': section(step, ['if', 'continue-on-error']),
  'environments.*': section(environment),
  'environments.*.freeze': section(freezeWindow),
  'environments.*.freeze.*': section(freezeWindow),
  'environments.*.haproxy': section(haproxy),
  'environments.*.prepare.*': section(prepare),
  'environments.*.health': section(health),
};

/** What to say about `key`, which is not accepted in the map at `path`. */
export function explainKey(path: Path, key: string): string {
  const { known, reserved } = SECTIONS[wildcards(path)] ?? { known: [], reserved: [] };
  if (reserved.includes(key)) return `${key} is not supported by this version of Reprise`;
  const place = path.length === 0 ? 'at the top of the file' : `in ${written(path)}`;
  const hint = didYouMean(key, known) || `; known are ${known.join(', ')}`;
  return `${JSON.stringify(key)} is not known ${place}${hint}`;
}

/** A path as people write it: `jobs.test.steps[0]`. */
function written(path: Path): string {
  return path.reduce<string>(
    (before, part) => (typeof part === 'number' ? `${before}[${part}]` : before + (before && '.') + part),
    '',
  );
}

function wildcards(path: Path): string {
  return path
    .map((part, index) => {
      const isOwnName = index === 1 && (path[0] === 'jobs' || path[0] === 'environments');
      return isOwnName || typeof part === 'number' ? '*' : part;
    })
    .join('.');
}
