import { runnerStates } from '../runners/runner.store.ts';
import type { Services } from '../services.ts';
import type { Candidate } from './why.ts';

/** What `whyWaiting` looks at, from the records and from who is connected here. */
export async function runnerCandidates(
  services: Pick<Services, 'reader' | 'queue' | 'config' | 'now'>,
): Promise<Candidate[]> {
  const states = await runnerStates(services);
  return states.map(({ runner, labels, connected, running }) => ({
    name: runner.name,
    labels,
    connected,
    running,
    draining: runner.draining === 1,
    capacity: runner.capacity,
  }));
}
