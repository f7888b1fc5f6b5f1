import type { Project } from '../db/schema.ts';
import type { Github } from '../github/api.ts';
import { placeOf } from '../github/place.ts';
import type { Services } from '../services.ts';

/** What GitHub has tried so often is not asked for once more. */
const MOST_ATTEMPTS = 3;
/** Older deliveries cannot be asked for (docs.github.com, "Redelivering webhooks"). */
const WITHIN_MS = 3 * 24 * 3_600_000;
const EVENTS = ['push', 'pull_request'];

/** An attempt to deliver, as GitHub lists it; a redelivery has the same guid. */
interface Attempt {
  /** Larger ones than a number holds come as bigint. */
  id: number | bigint;
  guid: string;
  delivered_at: string;
  status_code: number;
  event: string;
}

/**
 * Asks GitHub to deliver again what never arrived at this installation's webhook of the repository: unlike looking at its heads, that brings
 * pull requests, too. Returns how many were asked for. Throws what octokit throws: the token must be allowed to read and write webhooks.
 */
export async function askAgain(
  github: Github,
  services: Pick<Services, 'reader' | 'publicUrl' | 'now'>,
  project: Pick<Project, 'id' | 'name' | 'github'>,
): Promise<number> {
  if (project.github === null) return 0;
  const place = placeOf(project.github);
  const { data: hooks } = await github('GET /repos/{owner}/{repo}/hooks', { ...place, per_page: 100 });
  const ours = `${services.publicUrl()}/webhooks/github`;
  const mine = hooks.filter(
    ({ config, active }) => active && [ours, `${ours}/${project.name}`].includes(config.url ?? ''),
  );
  let asked = 0;
  for (const { id: hook_id } of mine) {
    const at = { ...place, hook_id };
    const listed = await github('GET /repos/{owner}/{repo}/hooks/{hook_id}/deliveries', {
      ...at,
      per_page: 100,
    });
    for (const { id } of await missing(services, project, listed.data)) {
      await github(`POST /repos/{owner}/{repo}/hooks/{hook_id}/deliveries/${id}/attempts`, at);
      asked += 1;
    }
  }
  return asked;
}

/** One attempt of each delivery that failed every time and is not among those recorded here. */
async function missing(
  { reader, now }: Pick<Services, 'reader' | 'now'>,
  project: Pick<Project, 'id'>,
  attempts: readonly Attempt[],
): Promise<Attempt[]> {
  const since = now() - WITHIN_MS;
  const young = attempts.filter(
    ({ event, delivered_at }) => EVENTS.includes(event) && Date.parse(delivered_at) > since,
  );
  const failed = [...Map.groupBy(young, ({ guid }) => guid).values()].filter(
    (tries) => tries.length < MOST_ATTEMPTS && !tries.some(({ status_code }) => isTaken(status_code)),
  );
  const guids = failed.flatMap(([first]) => first?.guid ?? []);
  if (guids.length === 0) return [];
  const here = await reader
    .selectFrom('deliveries')
    .select('guid')
    .where('project_id', '=', project.id)
    .where('guid', 'in', guids)
    .execute();
  const known = new Set(here.map(({ guid }) => guid));
  return failed.flatMap(([first]) => (first && !known.has(first.guid) ? [first] : []));
}

function isTaken(status: number): boolean {
  return status >= 200 && status < 300;
}
