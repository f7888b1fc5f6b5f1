import { isAside } from '../runners/quarantine.ts';
import { runnerStates } from '../runners/runner.store.ts';
import type { Services } from '../services.ts';
import { readyHeads } from './heads.ts';
import { buildsInGroups } from './queue.store.ts';
import type { Situation } from './why.ts';

/** What `whyWaiting` looks at, from the records and from who is connected here. */
export async function situation(
  services: Pick<Services, 'reader' | 'queue' | 'config' | 'now' | 'disk'>,
): Promise<Situation> {
  const { reader } = services;
  const [states, heads] = await Promise.all([runnerStates(services), readyHeads(reader)]);
  const groups = heads.map(({ concurrency_group }) => concurrency_group).filter((group) => group !== '');
  const inGroups = groups.length === 0 ? [] : await buildsInGroups(reader);
  return {
    obstacle: services.disk.problem,
    runners: states.map(({ runner, labels, connected, running }) => ({
      name: runner.name,
      labels,
      connected,
      running,
      draining: runner.draining === 1,
      aside: isAside(runner, { running, now: services.now(), leaseMs: services.config.times.reassignMs }),
      capacity: runner.capacity,
    })),
    groups: Map.groupBy(inGroups, ({ group }) => group),
    first: new Map(
      [...Map.groupBy(heads, ({ runs_on }) => runs_on)].map(([runsOn, own]) => [
        runsOn,
        Math.max(...own.map(({ priority }) => priority)),
      ]),
    ),
  };
}
