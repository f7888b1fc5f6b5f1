import type { EnvironmentAnswer } from '@reprise/server/environments/environment.api.ts';
import type { PromotionAnswer } from '@reprise/server/promotions/promotion.api.ts';

/** What each environment has, as seen from the others. */
export interface Comparison {
  /** All that have something live have the same artifact; null: fewer than two have. */
  same: boolean | null;
  /** By environment: the one whose artifact would go there next, because it is required or stands before it. */
  sources: Record<string, PromotionAnswer | null>;
}

/** Compares what is live, so that a difference is seen without reading two columns. */
export function compare(environments: readonly EnvironmentAnswer[]): Comparison {
  const digests = environments.flatMap(({ live }) => live?.artifact.sha256 ?? []);
  const sources = Object.fromEntries(
    environments.map((environment, at) => [
      environment.name,
      sourceOf(environment, environments.slice(0, at), environments),
    ]),
  );
  return { same: digests.length < 2 ? null : new Set(digests).size === 1, sources };
}

function sourceOf(
  { live, requires }: EnvironmentAnswer,
  before: readonly EnvironmentAnswer[],
  all: readonly EnvironmentAnswer[],
): PromotionAnswer | null {
  const required = all.filter(({ name }) => requires.includes(name));
  const source =
    (required.length > 0 ? required : before).findLast((other) => other.live !== null)?.live ?? null;
  return source?.artifact.sha256 === live?.artifact.sha256 ? null : source;
}
