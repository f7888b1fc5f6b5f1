import type { LiveHost } from '@reprise/server/environments/environment.api.ts';
import type { DeploymentAnswer, Preview, PromotionAnswer } from '@reprise/server/promotions/promotion.api.ts';
import { count } from '../words.ts';

/** How a host stands: its word, the sentence behind it, and which of the page's tones it has. */
export interface Standing {
  word: string;
  sentence: string;
  tone: 'passed' | 'failed' | 'errored' | 'blocked' | 'queued';
}

const STATES: Record<NonNullable<LiveHost['state']>, Standing> = {
  match: { word: 'As deployed', sentence: 'Every file is what was deployed.', tone: 'passed' },
  drift: { word: 'Drifted', sentence: 'What is there is not what was deployed.', tone: 'errored' },
  partial: { word: 'Incomplete', sentence: 'What is there is not whole.', tone: 'failed' },
  foreign: {
    word: 'Not by Reprise',
    sentence: 'What is live was put there by something else.',
    tone: 'blocked',
  },
  none: { word: 'Nothing live', sentence: 'Nothing is live there.', tone: 'queued' },
  unreachable: { word: 'Does not answer', sentence: 'It could not be asked.', tone: 'failed' },
};

/** Whether a host has what was deployed, as far as anybody has looked. What nobody knows goes before what was once seen. */
export function standingOf(host: Pick<LiveHost, 'state' | 'isKnown' | 'healthy' | 'release'>): Standing {
  const { state, isKnown, healthy, release } = host;
  if (state === 'unreachable') return STATES.unreachable;
  if (!isKnown)
    return {
      word: 'Not known',
      sentence: 'A deployment was lost, or the host did not answer: only looking tells.',
      tone: 'errored',
    };
  if (healthy === false)
    return { word: 'Not healthy', sentence: 'Its health check does not pass.', tone: 'failed' };
  if (state !== null) return STATES[state];
  if (release === null) return STATES.none;
  return { word: 'Deployed', sentence: 'Nobody has looked at it since.', tone: 'passed' };
}

const KINDS: Record<PromotionAnswer['kind'], string> = {
  promote: 'Promotion',
  rollback: 'Roll back',
  converge: 'Converge',
};

/** "Promotion of 1.4.2 (#12)". */
export function whatIsAsked({ kind, version, build }: Pick<PromotionAnswer, 'kind' | 'version' | 'build'>) {
  return `${KINDS[kind]} ${kind === 'rollback' ? 'to' : 'of'} ${named({ version, build })}`;
}

/** "1.4.2 (#12)": an artifact's version and its build. */
export function named({ version, build }: { version: string; build: number }): string {
  return version === '' ? `#${build}` : `${version} (#${build})`;
}

/** How a deployment went, or goes. */
export function outcomeOf(deployment: Pick<DeploymentAnswer, 'status' | 'outcome' | 'kind'>): string {
  const { status, outcome, kind } = deployment;
  if (status === 'queued') return 'Waits for its turn';
  if (status === 'running') return kind === 'probe' ? 'Looking at the hosts' : 'Being deployed';
  if (status === 'passed') {
    if (outcome === 'unchanged') return 'Was there already';
    return kind === 'rollback' ? 'Brought back everywhere' : 'Deployed everywhere';
  }
  if (outcome === 'undone') return 'Failed, undone everywhere';
  if (outcome === 'mixed') return 'Failed, hosts differ';
  if (outcome === 'unchanged') return 'Failed, nothing was changed';
  return status === 'cancelled' ? 'Cancelled' : 'Failed';
}

const PHASES: Record<string, string> = {
  lock: 'locking',
  prepare: 'unpacking and preparing',
  drain: 'draining',
  switch: 'switching',
  restart: 'restarting',
  health: 'health check',
  ready: 'taking requests again',
  undo: 'undoing',
  finish: 'tidying up',
  unlock: 'unlocking',
  probe: 'looking',
};
const FOUND: Record<NonNullable<DeploymentAnswer['hosts'][number]['state']>, string> = {
  new: 'the new release is live',
  previous: 'what was live before is live',
  other: 'something else is live',
  none: 'nothing is live',
  unknown: 'nobody knows what is live',
};

/** What is known of one host of a deployment: what was found at the end, else what was last done. */
export function hostOutcome(host: DeploymentAnswer['hosts'][number]): string {
  const { phase, outcome, state } = host;
  const found = state === null ? null : FOUND[state];
  if (phase === null) return found ?? 'not begun';
  const done = PHASES[phase] ?? phase;
  if (outcome === 'failed') return [`${done} failed`, found].filter(Boolean).join(', ');
  if (outcome === 'unknown') return [`nobody knows how ${done} ended`, found].filter(Boolean).join(', ');
  if (found !== null) return found;
  return outcome === 'done' ? `${done} done` : `${done}…`;
}

/** What the listed commits are, as a heading over them. */
export function commitsHeading({ direction, commits, live }: Preview): string {
  const from = live === null ? '' : named(live);
  if (direction === 'first') return 'There is nothing to compare with: everything in it goes out.';
  if (direction === 'same') return `The commit of ${from} is live already.`;
  if (direction === 'older') return `${count(commits.length, 'commit')} of ${from} would be taken away`;
  if (direction === 'aside')
    return `It is not built on ${from}, nor is that built on it: both have commits of their own.`;
  return `${count(commits.length, 'commit')} would go out, after ${from}`;
}

/** "0.42 on 4 processors". null: not known. */
export function loadOf({ load, processors }: Pick<LiveHost, 'load' | 'processors'>): string | null {
  const [now] = load ?? [];
  if (now === undefined) return null;
  return processors === null ? now.toFixed(2) : `${now.toFixed(2)} on ${count(processors, 'processor')}`;
}

/** Whether more is asked of its processors than they can do, over the last minute. */
export function isBusy({ load, processors }: Pick<LiveHost, 'load' | 'processors'>): boolean {
  return processors !== null && (load?.[0] ?? 0) > processors;
}

/** A host as people call it. */
export function hostName(host: string): string {
  return host === 'local' ? 'local, the runner itself' : host;
}
