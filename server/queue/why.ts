/** What of a runner decides whether a job must wait for it. */
export interface Candidate {
  name: string;
  labels: readonly string[];
  connected: boolean;
  draining: boolean;
  running: number;
  capacity: number;
}

/**
 * Why a job that could begin has not begun, as a sentence: from what no runner could ever do to what takes a moment. Empty
 * when it is about to begin.
 */
export function whyWaiting(runsOn: readonly string[], runners: readonly Candidate[]): string {
  if (runners.length === 0) return 'there is no runner: add one';
  const missing = runsOn.filter((label) => !runners.some(({ labels }) => labels.includes(label)));
  if (missing.length > 0)
    return `no runner has the label${missing.length > 1 ? 's' : ''} ${missing.join(', ')}`;
  const labels = runsOn.join(', ');
  const fitting = runners.filter((runner) => runsOn.every((label) => runner.labels.includes(label)));
  if (fitting.length === 0) return `no runner has all of the labels ${labels}`;
  const connected = fitting.filter((runner) => runner.connected);
  if (connected.length === 0) return `${count(fitting, labels)} not connected`;
  const taking = connected.filter(({ draining }) => !draining);
  if (taking.length === 0) return `${count(connected, labels)} draining`;
  if (taking.every(({ running, capacity }) => running >= capacity)) return `${count(taking, labels)} busy`;
  return '';
}

/** "the only runner with linux is", "all 3 runners with linux are". */
function count(runners: readonly Candidate[], labels: string): string {
  const which = labels === '' ? '' : ` with ${labels}`;
  return runners.length === 1 ? `the only runner${which} is` : `all ${runners.length} runners${which} are`;
}
