import type { Transaction } from 'kysely';
import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import type { Database, Project, Promotion } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';

/** Ways in which a promotion ends without being carried out, as the audit names them. */
type Closing = 'promotion.void' | 'promotion.reject' | 'promotion.cancel';

/** Ends a promotion that is not being carried out, with its record: nothing of it reaches a host. */
export async function closePromotion(
  trx: Transaction<Database>,
  project: Pick<Project, 'name'>,
  o: { promotion: Promotion; why: string; at: number; by: Actor; action: Closing; reason: string },
): Promise<void> {
  const { promotion, why, at, by, action, reason } = o;
  await trx
    .updateTable('promotions')
    .set({ state: action === 'promotion.void' ? 'void' : 'rejected', why, decided_at: at })
    .where('id', '=', promotion.id)
    .execute();
  const subject = subjectOf(project, promotion);
  const detail = { promotion: promotion.id };
  await recordAudit(trx, { at, by, action, project: project.name, subject, reason, detail });
}

/** The answer to who decides what is decided. */
export function decided({ state }: Promotion): Refusal {
  const word = state === 'done' ? 'carried out' : state;
  return new Refusal(409, 'conflict', `This promotion is decided: it was ${word}. Ask for a new one.`);
}

/** What a decision is about, as the audit names it. */
export function subjectOf(project: Pick<Project, 'name'>, { environment }: Promotion): string {
  return `${project.name} to ${environment}`;
}
