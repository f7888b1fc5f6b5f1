/** Names of what can be watched. `parseTopic` reads what a stranger sent; the others are for those who announce changes. */
export type Topic =
  | { kind: 'projects' | 'runners' | 'queue' | 'deliveries' | 'audit' }
  | { kind: 'project' | 'environments'; project: string }
  | { kind: 'build'; project: string; build: number }
  | { kind: 'log'; project: string; build: number; job: string; attempt: number };

const NAME = '[a-z0-9][a-z0-9._-]{0,62}';
const NUMBER = '[1-9][0-9]{0,9}';
const PROJECT = new RegExp(`^project:(${NAME})$`);
const ENVIRONMENTS = new RegExp(`^environments:(${NAME})$`);
const BUILD = new RegExp(`^build:(${NAME})/(${NUMBER})$`);
const LOG = new RegExp(`^log:(${NAME})/(${NUMBER})/(${NAME})/(${NUMBER})$`);

const WHOLE = ['projects', 'runners', 'queue', 'deliveries', 'audit'] as const;

function isWhole(text: string): text is (typeof WHOLE)[number] {
  return (WHOLE as readonly string[]).includes(text);
}

/** null: there is no such kind of topic. Whether what it names exists is another question. */
export function parseTopic(text: string): Topic | null {
  if (isWhole(text)) return { kind: text };
  const [, placed] = ENVIRONMENTS.exec(text) ?? [];
  if (placed !== undefined) return { kind: 'environments', project: placed };
  const [, project = '', build = '', job = '', attempt = ''] =
    PROJECT.exec(text) ?? BUILD.exec(text) ?? LOG.exec(text) ?? [];
  if (project === '') return null;
  if (build === '') return { kind: 'project', project };
  if (job === '') return { kind: 'build', project, build: Number(build) };
  return { kind: 'log', project, build: Number(build), job, attempt: Number(attempt) };
}

/** Everything that shows a build's status: its own page, its project's, and the list of projects. */
export function topicsOfBuild(project: string, build: number): string[] {
  return [buildTopic(project, build), `project:${project}`, 'projects'];
}

export function buildTopic(project: string, build: number): string {
  return `build:${project}/${build}`;
}

export function logTopic(project: string, build: number, job: string, attempt: number): string {
  return `log:${project}/${build}/${job}/${attempt}`;
}
