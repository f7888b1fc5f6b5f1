import { ADMIN_TOKEN, type Rig } from '../rig/reprise.ts';
import { atMost, type Benchmark, ratioAtMost } from './benchmark.ts';
import { Client } from './client.ts';
import { alternate, percentile, pick } from './measure.ts';
import { pipelineOf } from './repositories.ts';
import { startRig } from './reprise.ts';
import { seedBuilds } from './seed.ts';

const ASKS = 200;

export const buildList: Benchmark = {
  name: 'build-list',
  what: "a project's latest 20 builds, one page further, and its failed ones, with 100,000 builds in the database",
  plain: 'the same server with 1,000 builds',
  goal: { 'answered, 99 of 100': atMost(20), 'answered, half of them': ratioAtMost(1.25) },
  async run(context) {
    await using many = await startRig('server');
    await using few = await startRig('server');
    context.say('fills the databases');
    await fill(many, 100_000);
    await fill(few, 1_000);
    using ofMany = new Client(many.address, { token: ADMIN_TOKEN });
    using ofFew = new Client(few.address, { token: ADMIN_TOKEN });
    const times = await alternate(context, {
      ours: () => askOften(ofMany, 50_000),
      plain: () => askOften(ofFew, 500),
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

async function fill(rig: Rig, builds: number): Promise<void> {
  await rig.project('long', { '.reprise.yml': pipelineOf('true') });
  await seedBuilds(rig, 'long', { builds, status: 'passed' });
}

/** The first page, one in the middle, and a filter that finds nothing: the three a bad index would show in. */
async function askOften(client: Client, middle: number): Promise<{ p50: number; p99: number }> {
  const list = '/api/projects/long/builds?limit=20';
  const asked = [list, `${list}&before=${middle}`, `${list}&status=failed`];
  const times: number[] = [];
  for (let count = 0; count < ASKS; count += 1) {
    times.push((await client.ask(asked[count % asked.length] ?? list)).ms);
  }
  return { p50: percentile(times, 50), p99: percentile(times, 99) };
}
