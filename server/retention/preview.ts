import { iso } from '../api.ts';
import type { Project } from '../db/schema.ts';
import type { Services } from '../services.ts';
import { chooseBuilds, heldBytesOf, type Judged, limitsOf } from './choose.ts';
import { measureSoon } from './measure.ts';
import type { RetentionPreview, RetentionRules } from './retention.api.ts';

/** Builds judged at once, and altogether. */
const AT_ONCE = 100;
const MOST_JUDGED = 1000;
const MOST_LISTED = 100;

/** What the rules would remove now, what they would spare, and why. Removes nothing. */
export async function previewRetention(
  { db, reader, now }: Pick<Services, 'db' | 'reader' | 'now'>,
  project: Pick<Project, 'id'>,
  rules: RetentionRules,
): Promise<RetentionPreview> {
  await measureSoon(db);
  const limits = await limitsOf(reader, { projectId: project.id, rules, now: now() });
  const [goes, stays]: [Judged[], Judged[]] = [[], []];
  let after: number | null = 0;
  for (let judged = 0; judged < MOST_JUDGED && after !== null; judged += AT_ONCE) {
    const chosen = await chooseBuilds(reader, { projectId: project.id, limits, after, limit: AT_ONCE });
    goes.push(...chosen.goes);
    stays.push(...chosen.stays);
    after = chosen.next;
  }
  return {
    rules,
    goes: {
      builds: goes.length,
      bytes: heldBytesOf(goes),
      items: goes.slice(0, MOST_LISTED).map(viewJudged),
    },
    stays: stays.slice(0, MOST_LISTED).map(viewJudged),
    complete: after === null,
  };
}

function viewJudged({ build, why }: Judged) {
  return {
    number: build.number,
    finishedAt: iso(build.finished_at ?? 0),
    bytes: build.held_bytes,
    why,
  };
}
