import type { Kysely } from 'kysely';
import { reproducibility } from '../artifacts/compare.ts';
import { findBuild } from '../builds/find.ts';
import type { Artifact, Database, Project } from '../db/schema.ts';
import { notFound, Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';

/** What can be promoted: an artifact with the facts of its build that rules look at. */
export type Candidate = Awaited<ReturnType<typeof candidate>>;

/** The artifact of a build that is meant; refused where there is none, or more than one and none is named. */
export async function candidate(
  services: Pick<Services, 'reader' | 'blobs'>,
  project: Project,
  asked: { build: number; artifact?: string | undefined },
) {
  const build = await findBuild(services.reader, project.name, asked.build);
  const artifact = await choose(services.reader, build.id, { ...asked, project: project.name });
  const compared = await reproducibility(services, build);
  const pullRequest: { fork: boolean } | null = build.pull_request ? JSON.parse(build.pull_request) : null;
  return {
    artifact,
    build,
    fork: pullRequest?.fork ?? false,
    reproducible: compared.get(artifact.name)?.state ?? 'unverified',
  } as const;
}

async function choose(
  db: Kysely<Database>,
  buildId: string,
  { project, build, artifact: name }: { project: string; build: number; artifact?: string | undefined },
): Promise<Artifact> {
  const made = await db
    .selectFrom('artifacts')
    .selectAll()
    .where('build_id', '=', buildId)
    .orderBy('name')
    .execute();
  const names = made.map((artifact) => artifact.name);
  if (name !== undefined) {
    const found = made.find((artifact) => artifact.name === name);
    if (found) return found;
    throw notFound(`Artifact ${name} of build ${project} #${build}`);
  }
  const [only, ...others] = made;
  if (!only) {
    const sentence = `Build ${project} #${build} has made no artifact: there is nothing to promote.`;
    throw new Refusal(409, 'conflict', sentence);
  }
  if (others.length === 0) return only;
  const sentence = `Build ${project} #${build} has made several artifacts: say which one, of ${names.join(', ')}.`;
  throw new Refusal(400, 'bad-request', sentence, { errors: [{ field: 'artifact', message: sentence }] });
}
