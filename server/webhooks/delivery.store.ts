import type { Status } from '@reprise/pipelines/status.ts';
import type { Kysely, Transaction } from 'kysely';
import { isAmong } from '../db/dialect.ts';
import type { Database, Delivery } from '../db/schema.ts';
import type { GithubEvent } from './event.ts';

/** One event may reach a server under two ids; within this time and with all its facts equal it is taken for the same. */
const TWINS_WITHIN_MS = 10 * 60_000;

/** What was found by looking (`server/lookout`) may be announced after all; GitHub delivers again what is not older. */
const LATE_WITHIN_MS = 3 * 24 * 3_600_000;

export type Earlier = Pick<Delivery, 'guid' | 'ignored' | 'builds'>;

/**
 * The delivery of this id, or else a build's twin: the same event of the project, minutes ago, under another id, or what was
 * found by looking before its webhook came.
 */
export async function findEarlier(
  trx: Transaction<Database>,
  project: string,
  { guid, event, now }: { guid: string; event: GithubEvent; now: number },
): Promise<Earlier | undefined> {
  const found = await trx
    .selectFrom('deliveries')
    .select(['guid', 'ignored', 'builds'])
    .where('project_id', '=', project)
    .where((is) =>
      is.or([
        is('guid', '=', guid),
        is.and([
          is('after_sha', '=', event.after),
          is('received_at', '>', now - TWINS_WITHIN_MS),
          is('event', '=', event.name),
          is('action', 'is not distinct from', event.action),
          is('ref', '=', event.ref),
          is('before_sha', '=', event.before),
          is('trigger', 'is not', null),
        ]),
        is.and([
          is('after_sha', '=', event.after),
          is('received_at', '>', now - LATE_WITHIN_MS),
          is('event', '=', 'look'),
          is('ref', '=', event.ref),
        ]),
      ]),
    )
    .execute();
  return found.find((delivery) => delivery.guid === guid) ?? found[0];
}

/**
 * Newest first, of one project where it is named. `before` is the `seq` of the last one seen; `projects`: only of these, by
 * name; null: of all. Costs as much as is listed, however many were kept.
 */
export function listDeliveries(
  db: Kysely<Database>,
  { project, projects, ...o }: Page & { project?: string; projects: readonly string[] | null },
) {
  const isHidden = project !== undefined && projects !== null && !projects.includes(project);
  const names = project === undefined ? projects : isHidden ? [] : [project];
  return db
    .selectFrom('deliveries')
    .innerJoin('projects', 'projects.id', 'deliveries.project_id')
    .selectAll('deliveries')
    .select('projects.name as project')
    .$if(names !== null, (query) => query.where('deliveries.seq', 'in', newestOf(db, names ?? [], o)))
    .$if(o.before !== undefined, (query) => query.where('deliveries.seq', '<', o.before ?? 0))
    .orderBy('deliveries.seq', 'desc')
    .limit(o.limit)
    .execute();
}

interface Page {
  before?: number;
  limit: number;
}

/** A page of each project's newest, found in an index alone: among them are the newest of all these projects. */
function newestOf(db: Kysely<Database>, names: readonly string[], { before, limit }: Page) {
  return db
    .selectFrom('projects')
    .innerJoin('deliveries as found', (on) =>
      on.on((eb) =>
        isAmong(
          db,
          'found.seq',
          eb
            .selectFrom('deliveries as newest')
            .select('newest.seq')
            .whereRef('newest.project_id', '=', 'projects.id')
            .$if(before !== undefined, (query) => query.where('newest.seq', '<', before ?? 0))
            .orderBy('newest.seq', 'desc')
            .limit(limit),
        ),
      ),
    )
    .select('found.seq')
    .where('projects.name', 'in', names);
}

/** The statuses of the builds that these deliveries came to, by project's id and number, in one query over the builds' unique index. */
export async function statusesOf(
  db: Kysely<Database>,
  deliveries: readonly Pick<Delivery, 'project_id' | 'builds'>[],
): Promise<(project: string, build: number) => Status | undefined> {
  const wanted = new Map<string, number[]>();
  for (const { project_id: id, builds } of deliveries) {
    const numbers: number[] = JSON.parse(builds);
    if (numbers.length > 0) wanted.set(id, [...(wanted.get(id) ?? []), ...numbers]);
  }
  if (wanted.size === 0) return () => undefined;
  const rows = await db
    .selectFrom('builds')
    .select(['project_id', 'number', 'status'])
    .where((is) =>
      is.or(
        [...wanted].map(([project, numbers]) =>
          is.and([is('project_id', '=', project), is('number', 'in', numbers)]),
        ),
      ),
    )
    .execute();
  const statuses = new Map(rows.map((row) => [`${row.project_id}/${row.number}`, row.status]));
  return (project, build) => statuses.get(`${project}/${build}`);
}

/** Every project's row of one delivery, found by GitHub's id for it. */
export function deliveriesOf(db: Kysely<Database>, guid: string) {
  return (
    db
      .selectFrom('deliveries')
      .innerJoin('projects', 'projects.id', 'deliveries.project_id')
      .selectAll('deliveries')
      .select('projects.name as project')
      .where('deliveries.guid', '=', guid)
      // Names the index's first column, so that the unique index over (project, guid) answers this, too.
      .where('deliveries.project_id', 'in', (ids) => ids.selectFrom('projects').select('id'))
      .orderBy('deliveries.seq')
      .execute()
  );
}
