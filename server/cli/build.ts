import type { Build } from '../api.ts';
import { builds, wholeNumber } from './address.ts';
import { type Client, CommandFailure } from './client.ts';
import { followLog } from './follow-log.ts';
import { duration, plain, table } from './print.ts';
import { liveTable, liveWhere } from './promote.ts';

export interface Asking {
  reason?: string;
  pipeline?: string;
  wait?: boolean;
  json?: boolean;
}

/** `reprise build`: a build of any branch, tag or commit. */
export async function buildRef(client: Client, project: string, ref: string, o: Asking): Promise<void> {
  const { reason, pipeline } = o;
  await announce(client, await client.json<Build>('POST', builds(project), { ref, reason, pipeline }), o);
}

/** `reprise rebuild`: the same commit, plan, version and environment again. */
export async function rebuild(client: Client, project: string, number: string, o: Asking): Promise<void> {
  const path = `${builds(project)}/${wholeNumber(number)}/rebuild`;
  await announce(client, await client.json<Build>('POST', path, { reason: o.reason }), o);
}

/** `reprise cancel`. */
export async function cancel(client: Client, project: string, number: string, o: Asking): Promise<void> {
  await client.json('POST', `${builds(project)}/${wholeNumber(number)}/cancel`, {});
  console.log(
    o.json
      ? JSON.stringify({ project, number: Number(number), cancelled: true })
      : `Cancelling ${project} #${number}.`,
  );
}

/** `reprise status [project]`: the latest build of every project, or a project's latest builds and what is live where. */
export async function status(
  client: Client,
  project: string | undefined,
  o: { json?: boolean },
): Promise<void> {
  if (project !== undefined) return statusOf(client, project, o);
  const { items } = await client.json<{ items: { name: string; latestBuild: Build | null }[] }>(
    'GET',
    '/api/projects?limit=200',
  );
  const latest = items.flatMap(({ name, latestBuild }) =>
    latestBuild ? [{ ...latestBuild, project: name }] : [],
  );
  console.log(o.json ? JSON.stringify(latest) : buildTable(latest));
}

async function statusOf(client: Client, project: string, o: { json?: boolean }): Promise<void> {
  const { items } = await client.json<{ items: Build[] }>('GET', `${builds(project)}?limit=20`);
  const environments = await liveWhere(client, project);
  if (o.json) return console.log(JSON.stringify({ builds: items, environments }));
  console.log(buildTable(items));
  if (environments.length > 0) console.log(`\n${liveTable(environments)}`);
}

function buildTable(latest: readonly Build[]): string {
  if (latest.length === 0) return 'No builds yet.';
  const rows = latest.map((build) => [
    `${build.project} #${build.number}`,
    build.status,
    plain(build.tag ?? build.branch ?? build.ref).slice(0, 30),
    build.commit.slice(0, 8),
    duration(build.startedAt, build.finishedAt),
    plain(build.why || build.message.split('\n')[0] || '').slice(0, 60),
  ]);
  return table(['BUILD', 'STATUS', 'REF', 'COMMIT', 'TOOK', ''], rows);
}

/** Waits until a build has ended, following its jobs' logs on standard output when asked to. */
export async function waitForBuild(
  client: Client,
  project: string,
  number: number,
  show: boolean,
): Promise<Build> {
  const path = `${builds(project)}/${number}`;
  const shown = new Set<string>();
  for (;;) {
    const build = await client.json<Build>('GET', path);
    const next = show && build.jobs.find(({ name, status }) => !shown.has(name) && !WAITING.has(status));
    if (next) {
      shown.add(next.name);
      console.log(`--- ${next.name}`);
      await followLog(client, {
        project,
        number,
        job: next.name,
        follow: true,
        write: (chunk) => process.stdout.write(chunk),
      });
      continue;
    }
    if (build.finishedAt !== null) return build;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

const POLL_MS = 200;
const WAITING = new Set(['queued', 'blocked', 'skipped']);

async function announce(client: Client, build: Build, o: Asking): Promise<void> {
  if (!o.wait) {
    const line = `${build.project} #${build.number} is ${build.status}: ${build.commit.slice(0, 12)}`;
    return console.log(o.json ? JSON.stringify(build) : line);
  }
  const ended = await waitForBuild(client, build.project, build.number, !o.json);
  console.log(
    o.json ? JSON.stringify(ended) : `${ended.project} #${ended.number} ${ended.status}. ${ended.why}`.trim(),
  );
  if (ended.status !== 'passed') throw new CommandFailure('', 1);
}
