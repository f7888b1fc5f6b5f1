import { ADMIN_TOKEN, type Rig } from '../rig/reprise.ts';
import { atMost, type Benchmark, ratioAtMost } from './benchmark.ts';
import { Client } from './client.ts';
import { alternate, percentile, pick } from './measure.ts';
import { pipelineOf } from './repositories.ts';
import { startRig } from './reprise.ts';
import { seedBuilds } from './seed.ts';

const ASKS = 200;
const MANY = 100_000;
const FEW = 1_000;

/**
 * What lists cost with a project `long` of 100,000 builds, against the same server with 1,000. `asked`: their addresses,
 * taken in turn; `middle` is the number of a build in the middle.
 */
export function againstLongPast(o: {
  name: string;
  what: string;
  asked(middle: number): readonly string[];
}): Benchmark {
  return {
    name: o.name,
    what: o.what,
    plain: 'the same server with 1,000 builds',
    goal: { 'answered, 99 of 100': atMost(20), 'answered, half of them': ratioAtMost(1.25) },
    async run(context) {
      await using many = await startRig('server');
      await using few = await startRig('server');
      context.say('fills the databases');
      await fill(many, MANY);
      await fill(few, FEW);
      using ofMany = new Client(many.address, { token: ADMIN_TOKEN });
      using ofFew = new Client(few.address, { token: ADMIN_TOKEN });
      const times = await alternate(context, {
        ours: () => askOften(ofMany, o.asked(MANY / 2)),
        plain: () => askOften(ofFew, o.asked(FEW / 2)),
      });
      return [
        {
          name: 'answered, half of them',
          unit: 'ms',
          ours: pick(times.ours, 'p50'),
          plain: pick(times.plain, 'p50'),
        },
        {
          name: 'answered, 99 of 100',
          unit: 'ms',
          ours: pick(times.ours, 'p99'),
          plain: pick(times.plain, 'p99'),
        },
      ];
    },
  };
}

async function fill(rig: Rig, builds: number): Promise<void> {
  await rig.project('long', { '.reprise.yml': pipelineOf('true') });
  await seedBuilds(rig, 'long', { builds, status: 'passed' });
}

async function askOften(client: Client, asked: readonly string[]): Promise<{ p50: number; p99: number }> {
  const times: number[] = [];
  for (let count = 0; count < ASKS; count += 1) {
    times.push((await client.ask(asked[count % asked.length] ?? '')).ms);
  }
  return { p50: percentile(times, 50), p99: percentile(times, 99) };
}
