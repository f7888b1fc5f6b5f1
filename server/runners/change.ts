import type { z } from 'zod';
import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import type { Runner } from '../db/schema.ts';
import { DEPLOY_LABEL } from '../deployments/start.ts';
import { notFound, Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { TRUSTED } from './quarantine.ts';
import { ownLabels } from './register.ts';
import type { runnerChange } from './runner.api.ts';
import { findRunner } from './runner.store.ts';

/**
 * Lets a runner finish what it has and take no more, or take jobs again; takes one back that was put aside; or says whether one that
 * registered itself may deploy. What is so already is no change.
 */
export async function changeRunner(
  { db, live, queue, now }: Services,
  name: string,
  { by, ...wanted }: z.output<typeof runnerChange> & { by: Actor },
): Promise<void> {
  const { id } = await db.transaction().execute(async (trx) => {
    const runner = await findRunner(trx, name);
    if (!runner) throw notFound(`Runner ${name}`);
    const { set, detail } = changesOf(runner, wanted);
    if (Object.keys(detail).length === 0) return runner;
    await trx.updateTable('runners').set(set).where('id', '=', runner.id).execute();
    await recordAudit(trx, { at: now(), by, action: 'runner.change', subject: `runner ${name}`, detail });
    return runner;
  });
  // Whoever waits for what it could take before asks again.
  if (wanted.deploy !== undefined) queue.dismiss(id);
  queue.wake();
  live.changed('runners', 'queue', 'audit');
}

function changesOf(runner: Runner, { draining, quarantined, deploy }: z.output<typeof runnerChange>) {
  const was = { draining: runner.draining === 1, quarantined: runner.aside_since !== null };
  const drains = draining !== undefined && draining !== was.draining;
  const trusts = quarantined === false && was.quarantined;
  const labels: string[] = JSON.parse(runner.labels);
  const deploys = deploy !== undefined && deploy !== labels.includes(DEPLOY_LABEL);
  if (deploys && !runner.registered) throw labelledByItself(runner.name);
  return {
    set: {
      ...(drains && { draining: draining ? 1 : 0 }),
      ...(trusts && TRUSTED),
      ...(deploys && { labels: JSON.stringify(withDeploy(labels, deploy)) }),
    },
    detail: {
      ...(drains && { draining: { from: was.draining, to: draining } }),
      ...(trusts && { quarantined: { from: true, to: false } }),
      ...(deploys && { deploy: { from: !deploy, to: deploy } }),
    },
  };
}

function withDeploy(labels: readonly string[], deploy: boolean): string[] {
  return [...ownLabels(labels), ...(deploy ? [DEPLOY_LABEL] : [])].sort();
}

function labelledByItself(name: string): Refusal {
  return new Refusal(
    409,
    'conflict',
    `Runner ${name} did not register itself: whether it deploys is said by the labels it was added with, or by its own REPRISE_LABELS.`,
  );
}
