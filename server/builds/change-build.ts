import type { Transaction } from 'kysely';
import { type AuditAction, recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import type { Build, Database, Project } from '../db/schema.ts';
import { notFound } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { announceChanged } from './announce.ts';
import { wholeBuild } from './build.store.ts';

/** Somebody wants something of a build. */
export interface Wish {
  number: number;
  reason: string;
  by: Actor;
}

/** What the audit says of it beside who, when and why. */
export interface Done {
  action: AuditAction;
  /** `shop #12` where it is not told. */
  subject?: string;
  detail?: object;
}

/**
 * The way of every change that a person makes of a build: found (404 where there is none) and changed with its entry in the audit in one
 * transaction, then announced. What `change` refuses changes nothing. Returns what it returns.
 */
export async function changeBuild<Changed extends Done>(
  services: Pick<Services, 'db' | 'live' | 'now'>,
  project: Pick<Project, 'id' | 'name'>,
  { number, reason, by }: Wish,
  change: (trx: Transaction<Database>, build: Build, at: number) => Promise<Changed>,
): Promise<Changed> {
  const at = services.now();
  const name = `${project.name} #${number}`;
  const changed = await services.db.transaction().execute(async (trx) => {
    const build = await wholeBuild(trx, project.id, number);
    if (!build) throw notFound(`Build ${name}`);
    const changed = await change(trx, build, at);
    const { action, subject = name, detail } = changed;
    await recordAudit(trx, {
      at,
      by,
      action,
      project: project.name,
      subject,
      reason,
      ...(detail && { detail }),
    });
    return changed;
  });
  announceChanged(services, [{ project: project.name, number }]);
  services.live.changed('audit');
  return changed;
}
