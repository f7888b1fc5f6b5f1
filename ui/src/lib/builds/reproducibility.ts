import type { Difference, Reproducibility } from '@reprise/server/api.ts';
import { count } from '../words.ts';

/** "Different from build #3: 2 files differ": what is known of an artifact's reproducibility. */
export function reproducibilityWords(it: Reproducibility): string {
  switch (it.state) {
    case 'unverified':
      return 'Not verified yet: rebuild to compare';
    case 'identical':
      return `Identical to ${other(it)}`;
    case 'different':
      return `Different from ${other(it)}${howMany(it)}`;
  }
}

/** What the runners' tools have to do with a difference; empty where nothing differs or it is not known. */
export function toolchainWords({ state, toolchainChanged }: Reproducibility): string {
  if (state !== 'different' || toolchainChanged === undefined) return '';
  return toolchainChanged
    ? 'The runners had different tools installed, which alone may explain it.'
    : 'The runners had the same tools: look for times or random names in what the steps write.';
}

/** "changed", "file 0755 became file 0644", "only in build #3", "not in build #3": one entry, as seen from this build. */
export function differenceWords(difference: Difference, o: { number: number; comparedWith: number }): string {
  const [earlier, later] = [Math.min(o.number, o.comparedWith), Math.max(o.number, o.comparedWith)];
  if (difference.change === 'added') return `only in build #${later}`;
  if (difference.change === 'removed') return `only in build #${earlier}`;
  const modes = difference.mode && `${difference.mode[0]} became ${difference.mode[1]}`;
  const [before, after] = difference.sha256;
  return before === after && modes ? modes : ['content changed', modes].filter(Boolean).join(', ');
}

function other({ comparedWith }: Reproducibility): string {
  return comparedWith === null ? 'another build of this commit' : `build #${comparedWith}`;
}

/** Not counted where the record of an artifact's files is damaged: that the whole differs is known even then. */
function howMany({ differenceCount: files }: Reproducibility): string {
  return files === undefined ? '' : `: ${count(files, 'file')} ${files === 1 ? 'differs' : 'differ'}`;
}
