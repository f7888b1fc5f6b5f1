import { nameOfGroup } from './group.ts';

/** What of a runner decides whether a job must wait for it. */
export interface Candidate {
  name: string;
  labels: readonly string[];
  connected: boolean;
  draining: boolean;
  /** It broke several attempts in a row and is given none, or one to be tried with. */
  aside: boolean;
  running: number;
  capacity: number;
}

/** What there is at the moment. */
export interface Situation {
  /** Why no build's job begins; null: they do. */
  obstacle: string | null;
  runners: readonly Candidate[];
  /** By concurrency group, as it is kept: the builds of which a job runs in it. */
  groups: ReadonlyMap<string, readonly { build: number }[]>;
  /** By labels, as they are kept: the highest priority that waits for them. */
  first: ReadonlyMap<string, number>;
}

/** What of a ready job decides for whom or what it waits, as it is kept. */
export interface WaitingJob {
  /** null: of a build's pipeline. */
  deployment_id: string | null;
  runs_on: string;
  priority: number;
  concurrency_group: string;
  concurrency_limit: number;
}

/**
 * Why a job that could begin has not begun, as a sentence: from what no runner could ever do to what takes a moment. Empty
 * when it is about to begin.
 */
export function whyWaiting(job: WaitingJob, situation: Situation): string {
  const runsOn: string[] = JSON.parse(job.runs_on);
  const fitting = situation.runners.filter((runner) =>
    runsOn.every((label) => runner.labels.includes(label)),
  );
  if (situation.obstacle !== null && job.deployment_id === null) return situation.obstacle;
  if (fitting.length === 0) return whyNobody(runsOn, situation.runners);
  return (
    whyGroup(job, situation.groups) || whyRunners(fitting, runsOn.join(', '), isBehind(job, situation.first))
  );
}

/** Whether a ready job could be taken, if a runner were there for it. */
export function mayBegin(job: WaitingJob, { obstacle, groups }: Situation): boolean {
  return obstacle === null && whyGroup(job, groups) === '';
}

function whyNobody(runsOn: readonly string[], runners: readonly Candidate[]): string {
  if (runners.length === 0) return 'there is no runner: add one';
  const missing = runsOn.filter((label) => !runners.some(({ labels }) => labels.includes(label)));
  if (missing.length === 0) return `no runner has all of the labels ${runsOn.join(', ')}`;
  return `no runner has the label${missing.length > 1 ? 's' : ''} ${missing.join(', ')}`;
}

function whyGroup(job: WaitingJob, groups: Situation['groups']): string {
  const taking = groups.get(job.concurrency_group) ?? [];
  if (job.concurrency_group === '' || taking.length < job.concurrency_limit) return '';
  const builds = [...new Set(taking.map(({ build }) => build))].sort((a, b) => a - b);
  const which = `build${builds.length > 1 ? 's' : ''} ${builds.map((build) => `#${build}`).join(' and ')}`;
  return `its concurrency group ${nameOfGroup(job.concurrency_group)} is taken by ${which}`;
}

function whyRunners(fitting: readonly Candidate[], labels: string, behind: boolean): string {
  const connected = fitting.filter((runner) => runner.connected);
  if (connected.length === 0) return `${count(fitting, labels)} not connected`;
  const taking = connected.filter(({ draining, aside }) => !draining && !aside);
  const aside = connected.filter((runner) => runner.aside && !runner.draining);
  if (taking.length === 0) {
    const [draining, both] = ['draining', 'draining or put aside because attempts broke on them'];
    if (aside.length === 0) return `${count(connected, labels)} ${draining}`;
    if (aside.length < connected.length) return `${count(connected, labels)} ${both}`;
    const on = connected.length === 1 ? 'it' : 'them';
    return `${count(connected, labels)} put aside because attempts broke on ${on}`;
  }
  if (!taking.every(({ running, capacity }) => running >= capacity)) return '';
  const others =
    aside.length === 0 ? '' : `, and ${aside.length} more put aside because attempts broke on it`;
  return `${count(taking, labels)} busy${behind ? ', and jobs of a higher priority go first' : others}`;
}

function isBehind({ runs_on, priority }: WaitingJob, first: Situation['first']): boolean {
  return (first.get(runs_on) ?? priority) > priority;
}

/** "the only runner with linux is", "all 3 runners with linux are". */
function count(runners: readonly Candidate[], labels: string): string {
  const which = labels === '' ? '' : ` with ${labels}`;
  return runners.length === 1 ? `the only runner${which} is` : `all ${runners.length} runners${which} are`;
}
