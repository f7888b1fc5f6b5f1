import { iso } from '../api.ts';
import { type Caller, roleIn } from '../auth/caller.ts';
import type { Project } from '../db/schema.ts';
import { NEVER, type ScheduleRow, schedulesOf } from '../schedules/schedule.store.ts';
import type { Services } from '../services.ts';
import type { ProjectAnswer } from './project.api.ts';
import { type LatestBuild, latestBuilds } from './project.store.ts';
import {
  type BranchBuild,
  buildsAt,
  lastDeliveries,
  latestOfBranches,
  type RecentBuild,
  recentBuilds,
} from './recent.store.ts';

type Needed = Pick<Services, 'reader' | 'mirrors' | 'publicUrl'>;

/** Branches that a project is shown with. */
const MOST_BRANCHES = 8;

/** Projects as the API shows them, in the given order. What it costs does not grow with the builds that are kept. */
export async function viewProjects(
  { reader, mirrors, publicUrl }: Needed,
  projects: readonly Project[],
  caller: Caller,
): Promise<ProjectAnswer[]> {
  if (projects.length === 0) return [];
  const ids = projects.map(({ id }) => id);
  const [latest, recent, delivered, ofBranches, schedules] = await Promise.all([
    latestBuilds(reader, ids),
    recentBuilds(reader, ids),
    lastDeliveries(reader, ids),
    latestOfBranches(reader, ids),
    schedulesOf(reader, ids),
  ]);
  const byTheClock = Map.groupBy(schedules, ({ project_id }) => project_id);
  const byProject = Map.groupBy(ofBranches, ({ project_id }) => project_id);
  const shown = await Promise.all(
    projects.map(async (project) => {
      const defaultBranch = project.default_branch ?? (await mirrors.defaultBranch(project));
      return { project, defaultBranch, chosen: choose(byProject.get(project.id) ?? [], defaultBranch) };
    }),
  );
  const builds = await buildsAt(
    reader,
    shown.flatMap(({ chosen }) => chosen.map(({ seq }) => seq)),
  );
  return shown.map(({ project, defaultBranch, chosen }) => {
    const newest = latest.get(project.id);
    const deliveredAt = delivered.get(project.id) ?? null;
    return {
      name: project.name,
      cloneUrl: project.clone_url,
      github: project.github,
      defaultBranch,
      credential: project.credential_kind,
      createdAt: iso(project.created_at),
      webhook: { url: `${publicUrl()}/webhooks/github/${project.name}` },
      ...(project.public_key === null ? {} : { deployKey: { publicKey: project.public_key } }),
      public: project.public === 1,
      // Who sees a project has a role in it, and none is less than this.
      role: roleIn(caller, project.name) ?? 'viewer',
      latestBuild: newest ? viewLatest(newest) : null,
      branches: chosen.flatMap(({ branch, seq }) => {
        const build = builds.get(seq);
        return build && branch !== null ? [{ branch, build: viewLatest(build) }] : [];
      }),
      recent: (recent.get(project.id) ?? []).map(viewRecent),
      schedules: (byTheClock.get(project.id) ?? []).map(viewSchedule),
      lastDeliveryAt: iso(deliveredAt),
    };
  });
}

/** One project; `secret` only for who just made it. */
export async function viewProject(
  services: Needed,
  project: Project,
  o: { caller: Caller; secret?: string },
): Promise<ProjectAnswer> {
  const [answer] = await viewProjects(services, [project], o.caller);
  if (!answer) throw new Error(`The project ${project.name} was not viewed.`);
  return o.secret === undefined ? answer : { ...answer, webhook: { ...answer.webhook, secret: o.secret } };
}

/** The default branch, then those that were built last. */
function choose(ofBranches: BranchBuild[], defaultBranch: string | null): BranchBuild[] {
  const rank = ({ branch, seq }: BranchBuild) => (branch === defaultBranch ? Number.POSITIVE_INFINITY : seq);
  return ofBranches.sort((a, b) => rank(b) - rank(a)).slice(0, MOST_BRANCHES);
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

function viewSchedule(row: ScheduleRow): ProjectAnswer['schedules'][number] {
  const { cron, timezone, branch, due_at, last_build: lastBuild, obstacle: why } = row;
  const nextAt = due_at === NEVER ? null : iso(due_at);
  return { cron, timezone, branch: branch || null, nextAt, lastBuild, why };
}

function viewRecent(build: RecentBuild): ProjectAnswer['recent'][number] {
  const { number, status, queued_at, started_at, finished_at } = build;
  const durationMs = started_at === null || finished_at === null ? null : finished_at - started_at;
  return { number, status, durationMs, queuedAt: iso(queued_at) };
}
