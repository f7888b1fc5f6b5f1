import type { Project } from '../db/schema.ts';
import { type Github, retryAfterMs } from '../github/api.ts';
import { placeOf } from '../github/place.ts';
import type { Services } from '../services.ts';

/** What GitHub has tried so often is not asked for once more. */
const MOST_ATTEMPTS = 3;
/** Older deliveries cannot be asked for (docs.github.com, "Redelivering webhooks"). */
const WITHIN_MS = 3 * 24 * 3_600_000;
/** What was delivered shortly before the last look may have failed after it. */
const OVERLAP_MS = 3_600_000;
const EVENTS = ['push', 'pull_request'];
/** Of a hundred each: a busy repository's of a day's outage. */
const MOST_PAGES = 30;

/** An attempt to deliver, as GitHub lists it; a redelivery has the same guid. */
interface Attempt {
  /** Larger ones than a number holds come as bigint. */
  id: number | bigint;
  guid: string;
  delivered_at: string;
  status_code: number;
  event: string;
}

type Asking = Pick<Project, 'id' | 'name' | 'github'>;

/**
 * Asks GitHub to deliver again what never arrived at this installation's webhooks of its repositories: unlike looking at heads, that
 * brings pull requests, too. The token must be allowed to read and write webhooks.
 */
export class Redeliveries {
  readonly #services: Pick<Services, 'reader' | 'publicUrl' | 'now' | 'log' | 'github'>;
  /** Projects whose webhooks the token may not see. */
  readonly #closed = new Set<string>();
  /** When that was last done for a project: only what was tried since can be new. */
  readonly #askedAt = new Map<string, number>();
  /** Until then GitHub wants to be asked nothing. */
  #restsUntil = 0;

  constructor(services: Pick<Services, 'reader' | 'publicUrl' | 'now' | 'log' | 'github'>) {
    this.#services = services;
  }

  /** Does nothing without a token, or where GitHub does not want it. Never rejects. */
  async ask(project: Asking): Promise<void> {
    const { log, github, now } = this.#services;
    if (github === null || this.#closed.has(project.id) || now() < this.#restsUntil) return;
    try {
      const at = now();
      const asked = await this.#ask(await github, project);
      this.#askedAt.set(project.id, at);
      if (asked > 0)
        log.warn({ project: project.name, asked }, 'GitHub was asked to deliver again what did not arrive');
    } catch (error) {
      const waitMs = retryAfterMs(error, { tries: 0, now: now() });
      if (waitMs === null) this.#closed.add(project.id);
      else this.#restsUntil = now() + waitMs;
      const what =
        waitMs === null
          ? 'GitHub does not show the webhook: see whether the token may read and write webhooks there'
          : 'GitHub could not be asked for lost deliveries; it is asked again';
      log.info({ err: error, project: project.name }, what);
    }
  }

  /** Returns how many were asked for. Throws what octokit throws. */
  async #ask(github: Github, project: Asking): Promise<number> {
    if (project.github === null) return 0;
    const { publicUrl, now } = this.#services;
    const place = placeOf(project.github);
    const { data: hooks } = await github('GET /repos/{owner}/{repo}/hooks', { ...place, per_page: 100 });
    const ours = `${publicUrl()}/webhooks/github`;
    const mine = hooks.filter(
      ({ config, active }) => active && [ours, `${ours}/${project.name}`].includes(config.url ?? ''),
    );
    const since = Math.max(now() - WITHIN_MS, (this.#askedAt.get(project.id) ?? 0) - OVERLAP_MS);
    let asked = 0;
    for (const { id: hook_id } of mine) {
      const at = { ...place, hook_id };
      const attempts = await youngAttempts(github, at, since);
      for (const { id } of await missing(this.#services, project, attempts)) {
        await github(`POST /repos/{owner}/{repo}/hooks/{hook_id}/deliveries/${id}/attempts`, at);
        asked += 1;
      }
    }
    return asked;
  }
}

/** What was tried to be delivered since then, page by page, the newest first. */
async function youngAttempts(
  github: Github,
  at: { owner: string; repo: string; hook_id: number },
  since: number,
): Promise<Attempt[]> {
  const young: Attempt[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < MOST_PAGES; pages += 1) {
    const { data, headers } = await github('GET /repos/{owner}/{repo}/hooks/{hook_id}/deliveries', {
      ...at,
      per_page: 100,
      ...(cursor && { cursor }),
    });
    const page: Attempt[] = data.filter(({ delivered_at }) => Date.parse(delivered_at) > since);
    young.push(...page);
    cursor = cursorOf(headers.link);
    if (!cursor || page.length < data.length) break;
  }
  return young;
}

/** Of the page that follows, as the header `Link` names it. */
function cursorOf(link = ''): string | undefined {
  const next = /<([^>]*)>; *rel="next"/.exec(link)?.[1];
  return next ? (new URL(next).searchParams.get('cursor') ?? undefined) : undefined;
}

/** One attempt of each delivery that failed every time and is not among those recorded here. */
async function missing(
  { reader }: Pick<Services, 'reader'>,
  project: Pick<Project, 'id'>,
  attempts: readonly Attempt[],
): Promise<Attempt[]> {
  const meant = attempts.filter(({ event }) => EVENTS.includes(event));
  const failed = [...Map.groupBy(meant, ({ guid }) => guid).values()].filter(
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
