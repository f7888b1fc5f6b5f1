import type { CancelSuperseded } from '@reprise/pipelines/model.ts';
import type { Transaction } from 'kysely';
import { recordAudit } from '../audit/record.ts';
import { REPRISE } from '../auth/caller.ts';
import type { Build, Database, Project } from '../db/schema.ts';
import { endBuild } from './cancel.ts';

/** A build that was cancelled, and the runners that had something of it. */
export interface Superseded {
  number: number;
  runners: (string | null)[];
}

/**
 * Cancels older builds of the same branch or pull request as the plan of `newer` asks for. Only what pushes and pull requests
 * brought about is cancelled, and by such only: never a tag's build, nor one that a person or a schedule asked for; and
 * those of the default branch only where the plan says so. `defaultBranch` of null, not known, is taken for any branch.
 */
export async function supersede(
  trx: Transaction<Database>,
  newer: Pick<Build, 'id'>,
  o: { project: Project; rule: CancelSuperseded; defaultBranch: string | null; now: number },
): Promise<Superseded[]> {
  const { project, rule, defaultBranch, now } = o;
  const build = await trx
    .selectFrom('builds')
    .selectAll()
    .where('id', '=', newer.id)
    .executeTakeFirstOrThrow();
  if (!(await isPushed(trx, build))) return [];
  const isDefault = build.pull_request === null && build.branch === (defaultBranch ?? build.branch);
  if (isDefault && !rule.defaultBranch) return [];
  const superseded: Superseded[] = [];
  for (const older of await openBefore(trx, build)) {
    const hasBegun = older.started_at !== null;
    if ((hasBegun && rule.builds === 'queued') || !(await isPushed(trx, older))) continue;
    const runners = await endBuild(trx, older, { superseded_by: build.number }, now);
    await recordAudit(trx, {
      at: now,
      by: REPRISE,
      action: 'build.cancel',
      project: project.name,
      subject: `${project.name} #${older.number}`,
      reason: `superseded by #${build.number}`,
    });
    superseded.push({ number: older.number, runners });
  }
  return superseded;
}

/** Those that are not over are few, and found by their status. */
function openBefore(trx: Transaction<Database>, build: Build): Promise<Build[]> {
  return trx
    .selectFrom('builds')
    .selectAll()
    .where('project_id', '=', build.project_id)
    .where('status', 'in', ['queued', 'blocked', 'running'])
    .where('number', '<', build.number)
    .where('ref', '=', build.ref)
    .where('tag', 'is', null)
    .orderBy('number')
    .execute();
}

/** A delivery that a person had run again is that person's wish. */
async function isPushed(trx: Transaction<Database>, build: Build): Promise<boolean> {
  if (build.trigger_kind !== 'push' && build.trigger_kind !== 'pull_request') return false;
  if (build.delivery_id === null) return true;
  const delivery = await trx
    .selectFrom('deliveries')
    .select('builds')
    .where('id', '=', build.delivery_id)
    .executeTakeFirst();
  const [first]: number[] = JSON.parse(delivery?.builds ?? '[]');
  return first === undefined || first === build.number;
}
