import { compileGlob } from './glob.ts';
import type { Triggers } from './model.ts';

/**
 * What happened in the repository. `headSubject` is the head commit's message or its first line. `paths` are the changed
 * files, null where they are not known (a new branch, history that is gone): then path filters let it through.
 */
export type TriggerEvent = { headSubject: string } & (
  | { kind: 'push'; branch: string; paths: readonly string[] | null }
  | { kind: 'tag'; tag: string }
  | { kind: 'pull_request'; base: string; paths: readonly string[] | null }
);

/** `why` is a sentence for the page of the skipped build. */
export type TriggerDecision = { build: true } | { build: false; why: string };

/** A change of more files than this is built without asking path filters. */
const MOST_PATHS = 1000;

/**
 * Whether an event starts a build under a file's `on`. The rules are those of GitHub Actions: in a list the last pattern
 * that matches decides, and a list of exclusions only lets everything else through; a push filter that lists only tags
 * builds no branches, and the other way round; path filters do not hold tags back. Builds that a person asks for, and
 * rebuilds, are not asked about here.
 */
export function decideTrigger(on: Triggers, event: TriggerEvent): TriggerDecision {
  const marker = /\[(?:skip ci|ci skip)\]/i.exec(event.headSubject.split('\n', 1)[0] ?? '');
  if (marker !== null) return skip(`The head commit's subject says ${marker[0]}.`);

  switch (event.kind) {
    case 'push': {
      if (on.push === null) return skip('The pipeline file does not list push under on.');
      const { branches, tags, paths } = on.push;
      if (branches === null && tags !== null)
        return skip('on.push lists only tags, so branches are not built.');
      return (
        refuseName('Branch', event.branch, { list: 'on.push.branches', patterns: branches }) ??
        refusePaths(event.paths, { list: 'on.push.paths', patterns: paths }) ?? { build: true }
      );
    }
    case 'tag': {
      if (on.push === null) return skip('The pipeline file does not list push under on.');
      const { branches, tags } = on.push;
      if (tags === null && branches !== null)
        return skip('on.push lists only branches, so tags are not built.');
      return refuseName('Tag', event.tag, { list: 'on.push.tags', patterns: tags }) ?? { build: true };
    }
    case 'pull_request': {
      if (on.pullRequest === null) return skip('The pipeline file does not list pull_request under on.');
      const { branches, paths } = on.pullRequest;
      return (
        refuseName('Base branch', event.base, { list: 'on.pull_request.branches', patterns: branches }) ??
        refusePaths(event.paths, { list: 'on.pull_request.paths', patterns: paths }) ?? { build: true }
      );
    }
    default:
      throw new Error('a trigger event of no known kind', { cause: event satisfies never });
  }
}

interface Filter {
  list: string;
  patterns: readonly string[] | null;
}

function skip(why: string): TriggerDecision {
  return { build: false, why };
}

function refuseName(noun: string, name: string, { list, patterns }: Filter): TriggerDecision | null {
  if (patterns === null || selector(patterns)(name)) return null;
  return skip(`${noun} ${name} is not among ${list} (${shorten(patterns)}).`);
}

function refusePaths(paths: readonly string[] | null, { list, patterns }: Filter): TriggerDecision | null {
  if (patterns === null || paths === null || paths.length > MOST_PATHS) return null;
  if (paths.some(selector(patterns))) return null;
  return skip(`No changed file is among ${list} (${shorten(patterns)}).`);
}

/** The last pattern that matches decides. Where all patterns exclude, what none of them names is selected. */
function selector(patterns: readonly string[]): (text: string) => boolean {
  const rules = patterns.map((pattern) => ({
    excludes: pattern.startsWith('!'),
    matches: compileGlob(pattern.replace(/^!/, '')),
  }));
  const otherwise = rules.every((rule) => rule.excludes);
  return (text) => {
    const last = rules.findLast((rule) => rule.matches(text));
    return last === undefined ? otherwise : !last.excludes;
  };
}

function shorten(patterns: readonly string[]): string {
  const shown = patterns.slice(0, 8).join(', ');
  return patterns.length > 8 ? `${shown}, …` : shown;
}
