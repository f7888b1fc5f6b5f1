import type { EnvironmentAnswer, LiveHost } from '../environments/environment.api.ts';
import type { PromotionAnswer } from '../promotions/promotion.api.ts';
import { wholeNumber } from './address.ts';
import { type Client, CommandFailure } from './client.ts';
import { plain, table } from './print.ts';

export interface AskToPromote {
  reason: string;
  artifact?: string;
  confirmOlder?: boolean;
  wait?: boolean;
  json?: boolean;
}

/** `reprise promote`: asks for a build's artifact to go to an environment. */
export async function promote(
  client: Client,
  to: { project: string; number: string; environment: string },
  o: AskToPromote,
): Promise<void> {
  const { project, environment } = to;
  const { reason, artifact, confirmOlder } = o;
  const asked = { build: wholeNumber(to.number), artifact, environment, reason, confirmOlder };
  const path = `${projectPath(project)}/promotions`;
  await report(client, await client.json<PromotionAnswer>('POST', path, asked), o);
}

/** `reprise approve`: says yes to what somebody else asked for. */
export async function approve(
  client: Client,
  project: string,
  promotion: string,
  o: { comment?: string; wait?: boolean; json?: boolean },
): Promise<void> {
  const path = `${projectPath(project)}/promotions/${encodeURIComponent(promotion)}/approve`;
  await report(client, await client.json<PromotionAnswer>('POST', path, { comment: o.comment }), o);
}

/** `reprise rollback`: brings back what was live and healthy before. */
export async function rollBack(
  client: Client,
  to: { project: string; environment: string },
  o: { reason: string; to?: string; wait?: boolean; json?: boolean },
): Promise<void> {
  const path = `${projectPath(to.project)}/environments/${encodeURIComponent(to.environment)}/rollback`;
  const body = { reason: o.reason, to: o.to };
  await report(client, await client.json<PromotionAnswer>('POST', path, body), o);
}

/** Waits until a promotion is decided and, where it was approved, its deployment has ended. */
export async function waitForPromotion(
  client: Client,
  project: string,
  id: string,
): Promise<PromotionAnswer> {
  const path = `${projectPath(project)}/promotions/${encodeURIComponent(id)}`;
  for (;;) {
    const promotion = await client.json<PromotionAnswer>('GET', path);
    if (promotion.state !== 'waiting' && promotion.state !== 'approved') return promotion;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

const POLL_MS = 200;

/** What is live where; none where the project has no environments or they cannot be read yet. */
export async function liveWhere(client: Client, project: string): Promise<EnvironmentAnswer[]> {
  const response = await client.get(`${projectPath(project)}/environments`);
  if (!response.ok) return [];
  return ((await response.json()) as { items: EnvironmentAnswer[] }).items;
}

/** One line for each host of each environment. */
export function liveTable(environments: readonly EnvironmentAnswer[]): string {
  const rows = environments.flatMap(({ name, hosts }) =>
    hosts.map((host) => [
      name,
      host.host,
      host.build === null ? (host.release ?? '-') : `#${host.build} ${plain(host.version ?? '')}`,
      wellness(host),
      host.since ?? '',
      plain(host.by ?? ''),
      plain(host.reason ?? '').slice(0, 60),
    ]),
  );
  return table(['ENVIRONMENT', 'HOST', 'LIVE', 'STATE', 'SINCE', 'BY', 'WHY'], rows);
}

function wellness({ release, isKnown, healthy, state }: LiveHost): string {
  if (!isKnown) return 'unknown';
  if (release === null) return 'nothing live';
  if (state !== null && state !== 'match') return state;
  return healthy === false ? 'unhealthy' : 'live';
}

async function report(
  client: Client,
  asked: PromotionAnswer,
  o: { wait?: boolean; json?: boolean },
): Promise<void> {
  const promotion = o.wait ? await waitForPromotion(client, asked.project, asked.id) : asked;
  console.log(o.json ? JSON.stringify(promotion) : inWords(promotion));
  if (o.wait && promotion.deployment?.status !== 'passed') throw new CommandFailure('', 1);
}

function inWords({ id, project, build, environment, kind, state, why, deployment }: PromotionAnswer): string {
  const what = `${kind} of ${project} #${build} to ${environment}`;
  if (state === 'waiting')
    return `The ${what} ${why}. Somebody else says yes: reprise approve ${project} ${id}`;
  const how = state === 'done' ? (deployment?.status ?? 'done') : state;
  return `The ${what} is ${how}. ${plain(why)}`.trim();
}

function projectPath(project: string): string {
  return `/api/projects/${encodeURIComponent(project)}`;
}
