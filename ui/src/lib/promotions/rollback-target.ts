import type { PromotionAnswer } from '@reprise/server/promotions/promotion.api.ts';

/**
 * What a roll back goes to, of an environment's promotions in any order: the newest that was complete before what is live now, with another
 * artifact. null: there is none among them. The server decides by the same rule; by naming the answer, what is shown is what is done.
 */
export function rollbackTarget(promotions: readonly PromotionAnswer[]): PromotionAnswer | null {
  const complete = promotions
    .filter(wasComplete)
    .toSorted((a, b) => queuedAt(b) - queuedAt(a) || (a.id < b.id ? 1 : -1));
  const [current] = complete;
  if (!current) return null;
  const isEarlier = (promotion: PromotionAnswer) =>
    Date.parse(promotion.createdAt) < Date.parse(current.createdAt) &&
    promotion.artifact.sha256 !== current.artifact.sha256;
  return complete.find(isEarlier) ?? null;
}

/** Whether its artifact was live and healthy on every host once. */
export function wasComplete({ deployment }: PromotionAnswer): boolean {
  return deployment !== null && deployment.kind !== 'probe' && deployment.status === 'passed';
}

function queuedAt({ deployment }: PromotionAnswer): number {
  return Date.parse(deployment?.queuedAt ?? '');
}
