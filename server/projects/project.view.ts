import { iso } from '../api.ts';
import type { Project } from '../db/schema.ts';
import type { Services } from '../services.ts';
import type { ProjectAnswer } from './project.api.ts';
import { type LatestBuild, latestBuilds } from './project.store.ts';

type Needed = Pick<Services, 'reader' | 'mirrors' | 'publicUrl'>;

/** Projects as the API shows them, in the given order, each with its latest build. */
export async function viewProjects(services: Needed, projects: readonly Project[]): Promise<ProjectAnswer[]> {
  const builds = await latestBuilds(
    services.reader,
    projects.map(({ id }) => id),
  );
  return Promise.all(projects.map((project) => view(services, project, builds.get(project.id))));
}

/** One project; `secret` only for who just made it. */
export async function viewProject(
  services: Needed,
  project: Project,
  secret?: string,
): Promise<ProjectAnswer> {
  const builds = await latestBuilds(services.reader, [project.id]);
  const answer = await view(services, project, builds.get(project.id));
  return secret === undefined ? answer : { ...answer, webhook: { ...answer.webhook, secret } };
}

async function view(
  services: Needed,
  project: Project,
  latest: LatestBuild | undefined,
): Promise<ProjectAnswer> {
  return {
    name: project.name,
    cloneUrl: project.clone_url,
    github: project.github,
    defaultBranch: project.default_branch ?? (await services.mirrors.defaultBranch(project)),
    credential: project.credential_kind,
    createdAt: iso(project.created_at),
    webhook: { url: `${services.publicUrl()}/webhooks/github/${project.name}` },
    ...(project.public_key === null ? {} : { deployKey: { publicKey: project.public_key } }),
    latestBuild: latest ? viewLatest(latest) : null,
  };
}

function viewLatest(build: LatestBuild): NonNullable<ProjectAnswer['latestBuild']> {
  return {
    number: build.number,
    status: build.status,
    why: build.why,
    commit: build.commit_sha,
    ref: build.ref,
    branch: build.branch,
    tag: build.tag,
    message: build.message,
    version: build.version,
    queuedAt: iso(build.queued_at),
    startedAt: iso(build.started_at),
    finishedAt: iso(build.finished_at),
  };
}
