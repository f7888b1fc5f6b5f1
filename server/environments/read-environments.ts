import type { App, Environment } from '@reprise/pipelines/model.ts';
import { PIPELINE_FILE } from '@reprise/pipelines/problem.ts';
import type { Project } from '../db/schema.ts';
import { MirrorFault } from '../git/fault.ts';
import { Refusal } from '../http/refusal.ts';
import { readPipeline } from '../projects/read-pipeline.ts';
import type { Services } from '../services.ts';

/** What the head of the default branch says of where artifacts go. */
export interface ReadEnvironments {
  branch: string;
  commit: string;
  app: App;
  environments: Environment[];
}

/** A person waits. */
const FETCH_MS = 10_000;

/**
 * The environments as the head of the default branch defines them now. Asks the upstream first where `fresh`; where that cannot be
 * asked, what was last fetched counts. Refuses (409, 422) with what to do where nothing can be read.
 */
export async function readEnvironments(
  { mirrors, log }: Pick<Services, 'mirrors' | 'log'>,
  project: Project,
  o: { fresh: boolean; signal?: AbortSignal },
): Promise<ReadEnvironments> {
  if (o.fresh) {
    await mirrors.fetch(project, { timeoutMs: FETCH_MS, signal: o.signal }).catch((error) => {
      if (!(error instanceof MirrorFault)) throw error;
      log.info({ err: error, project: project.name }, 'environments are read as last fetched');
    });
  }
  const { ref: branch, commit, found, problems, pipeline } = await readPipeline({ mirrors }, project);
  if (commit === null) {
    const sentence = `${project.name} has no branch ${branch} yet: its environments are read from there.`;
    throw new Refusal(409, 'conflict', sentence);
  }
  if (!found) {
    const sentence = `The head of ${branch} has no ${PIPELINE_FILE}, which would say where artifacts go.`;
    throw new Refusal(409, 'conflict', sentence);
  }
  if (pipeline === null) {
    const [first] = problems;
    const sentence = `${PIPELINE_FILE} at the head of ${branch} has an error in line ${first?.line}: ${first?.message}.`;
    throw new Refusal(422, 'bad-request', sentence, { problems });
  }
  return { branch, commit, app: pipeline.app, environments: pipeline.environments };
}

/** One of them; refused 404 with the others' names where it is not there. */
export function environmentNamed(read: ReadEnvironments, name: string): Environment {
  const found = read.environments.find((environment) => environment.name === name);
  if (found) return found;
  const names = read.environments.map((environment) => environment.name);
  const hint = names.length === 0 ? 'It has none.' : `It has ${names.join(', ')}.`;
  throw new Refusal(
    404,
    'not-found',
    `${PIPELINE_FILE} on ${read.branch} has no environment ${name}. ${hint}`,
  );
}
