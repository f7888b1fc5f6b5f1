import type { Status } from '@reprise/pipelines/status.ts';
import type { Kysely } from 'kysely';
import { buildUrl } from '../builds/build-url.ts';
import type { Database } from '../db/schema.ts';
import type { Services } from '../services.ts';
import type { Github } from './api.ts';
import { type Place, shortened } from './place.ts';

type State = 'pending' | 'success' | 'failure' | 'error';

/** What a commit's page at GitHub shows of a build. A build that its filters skipped is none. */
const STATES: Record<Status, State | null> = {
  queued: 'pending',
  blocked: 'pending',
  running: 'pending',
  passed: 'success',
  failed: 'failure',
  errored: 'error',
  cancelled: 'error',
  skipped: null,
};

type BuildToTell = Awaited<ReturnType<typeof buildsToTell>>[number];

/** Builds of which GitHub does not know the status yet, oldest first. What is older than `since` is nobody's news any more. */
export function buildsToTell(db: Kysely<Database>, { since, limit }: { since: number; limit: number }) {
  return db
    .selectFrom('builds')
    .innerJoin('projects', 'projects.id', 'builds.project_id')
    .select(['builds.id', 'builds.number', 'builds.status', 'builds.why', 'builds.commit_sha'])
    .select(['builds.github_told', 'projects.name as project', 'projects.github'])
    .whereRef('builds.github_told', '<>', 'builds.status')
    .where('builds.github_told', 'is not', null)
    .where('builds.queued_at', '>=', since)
    .orderBy('builds.seq')
    .limit(limit)
    .execute();
}

/** Sets the status of the build's commit: `POST /repos/{owner}/{repo}/statuses/{sha}`. Nothing, where it would say what it said before. */
export async function tellBuild(
  github: Github,
  services: Pick<Services, 'publicUrl'>,
  build: BuildToTell,
  place: Place,
): Promise<void> {
  const state = STATES[build.status];
  const told = build.github_told ? STATES[build.github_told as Status] : null;
  if (state === null || (state === 'pending' && told === state)) return;
  await github('POST /repos/{owner}/{repo}/statuses/{sha}', {
    ...place,
    sha: build.commit_sha,
    state,
    context: `reprise/${build.project}`,
    description: shortened(build.why === '' ? `Build #${build.number} ${WORDS[state]}` : build.why),
    target_url: buildUrl(services, build.project, build.number),
  });
}

const WORDS: Record<State, string> = {
  pending: 'is under way',
  success: 'has passed',
  failure: 'has failed',
  error: 'has not come to an end',
};

export async function markBuild(db: Kysely<Database>, build: BuildToTell): Promise<void> {
  await db.updateTable('builds').set({ github_told: build.status }).where('id', '=', build.id).execute();
}
