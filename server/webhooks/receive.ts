import type { Kysely, Transaction } from 'kysely';
import { insertBuild } from '../builds/new-build.ts';
import { newId } from '../db/id.ts';
import type { Database, Project } from '../db/schema.ts';
import { type Earlier, findEarlier } from './delivery.store.ts';
import type { GithubEvent, Trigger } from './event.ts';

/** What became of a delivery. `isNew` is false where every build was there before, or none was made. */
export interface Receipt {
  isNew: boolean;
  builds: { project: string; number: number }[];
  ignored: string | null;
}

/** A verified delivery for the projects of its repository. */
export interface Received {
  /** `X-GitHub-Delivery`: the same again on a redelivery. */
  guid: string;
  event: GithubEvent;
  projects: readonly Pick<Project, 'id' | 'name'>[];
  now: number;
}

/**
 * Records deliveries and, in the same transaction, their builds' rows for each project: when this resolves, all of it is on
 * disk. A repeat, or a twin under another id, makes no second build and is told the first one's number.
 */
export async function receive(db: Kysely<Database>, batch: readonly Received[]): Promise<Receipt[]> {
  return db.transaction().execute(async (trx) => {
    const receipts: Receipt[] = [];
    for (const received of batch) receipts.push(await receiveOne(trx, received));
    return receipts;
  });
}

async function receiveOne(trx: Transaction<Database>, received: Received): Promise<Receipt> {
  const receipt: Receipt = { isNew: false, builds: [], ignored: null };
  for (const project of received.projects) {
    const { isNew, numbers, ignored } = await receiveFor(trx, project.id, received);
    receipt.isNew ||= isNew;
    receipt.ignored ??= ignored;
    receipt.builds.push(...numbers.map((number) => ({ project: project.name, number })));
  }
  return receipt;
}

interface Outcome {
  isNew: boolean;
  numbers: number[];
  ignored: string | null;
}

async function receiveFor(
  trx: Transaction<Database>,
  projectId: string,
  received: Received,
): Promise<Outcome> {
  const { guid, event, now } = received;
  const { outcome } = event;
  const earlier = await findEarlier(trx, projectId, received);
  if (earlier?.guid === guid) return repeated(earlier);

  const delivery = {
    id: newId(),
    project_id: projectId,
    guid,
    event: event.name,
    action: event.action,
    ref: event.ref,
    before_sha: event.before,
    after_sha: event.after,
    sender: event.sender,
    received_at: now,
  };
  if ('ignored' in outcome) {
    const { ignored } = outcome;
    await trx
      .insertInto('deliveries')
      .values({ ...delivery, ignored, builds: '[]' })
      .execute();
    return { isNew: false, numbers: [], ignored };
  }
  const numbers: number[] = earlier
    ? JSON.parse(earlier.builds)
    : [await insertBuild(trx, projectId, buildOf(outcome.trigger, delivery.id), now)];
  await trx
    .insertInto('deliveries')
    .values({ ...delivery, trigger: JSON.stringify(outcome.trigger), builds: JSON.stringify(numbers) })
    .execute();
  return { isNew: earlier === undefined, numbers, ignored: null };
}

function repeated({ builds, ignored }: Earlier): Outcome {
  return { isNew: false, numbers: JSON.parse(builds), ignored };
}

/** The row of the build that a trigger asks for. */
export function buildOf(trigger: Trigger, deliveryId: string) {
  const { pullRequest, changes } = trigger;
  return {
    commit_sha: trigger.commit,
    ref: trigger.ref,
    branch: trigger.branch,
    tag: trigger.tag,
    pull_request: pullRequest && JSON.stringify(pullRequest),
    message: trigger.message,
    author_name: trigger.authorName,
    author_email: trigger.authorEmail,
    trigger_kind: trigger.kind,
    trigger_by: trigger.by,
    trigger_reason: '',
    delivery_id: deliveryId,
    changed_paths: changes && JSON.stringify(changes),
    needs_approval: pullRequest?.fork ? 1 : 0,
  };
}
