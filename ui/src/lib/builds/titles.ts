import type { Status } from '@reprise/pipelines/status.ts';
import type { Build } from '@reprise/server/api.ts';
import { shortSha } from '../words.ts';

/** One sign for each status, told apart in any font at the size of a tab. */
const SIGNS: Record<Status, string> = {
  queued: '○',
  blocked: '‖',
  running: '●',
  passed: '✓',
  failed: '✗',
  errored: '!',
  cancelled: '⊘',
  skipped: '–',
};

/** No tab shows more of a name; a branch's may have thousands of letters. */
const LONGEST_PLACE = 80;

/** The tab's title: "✓ shop #12 · main", the status first, as tabs are narrow. */
export function tabTitle(build: Pick<Build, 'status' | 'project' | 'number'> & Place): string {
  return `${SIGNS[build.status]} ${build.project} #${build.number} · ${placeOf(build).slice(0, LONGEST_PLACE)}`;
}

type Place = Pick<Build, 'branch' | 'tag' | 'pullRequest' | 'commit'>;

/** What was built, as people call it: a branch, a tag, "PR #7", or a commit's short name. */
export function placeOf({ branch, tag, pullRequest, commit }: Place): string {
  if (pullRequest) return `PR #${pullRequest.number}`;
  return tag ?? branch ?? shortSha(commit);
}
