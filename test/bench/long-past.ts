import { ADMIN_TOKEN } from '../rig/reprise.ts';
import { atMost, type Benchmark, ratioAtMost } from './benchmark.ts';
import { Client } from './client.ts';
import { curve } from './curve.ts';
import { alternate, percentile } from './measure.ts';
import { pipelineOf } from './repositories.ts';
import { startRig } from './reprise.ts';
import { seedBuilds } from './seed.ts';

const ASKS = 200;
const MANY = 100_000;
/** A point of the curve in between. */
const SOME = 10_000;
const FEW = 1_000;

/**
 * What lists cost with a project `long` of 100,000 builds, and of 10,000, against the same server with 1,000. `asked`: their addresses,
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
      context.say('fills the databases');
      await using many = await serverWith(MANY);
      await using some = await serverWith(SOME);
      await using few = await serverWith(FEW);
      const times = await alternate(context, {
        many: () => many.askOften(o.asked(MANY / 2)),
        some: () => some.askOften(o.asked(SOME / 2)),
        few: () => few.askOften(o.asked(FEW / 2)),
      });
      return curve('answered', times);
    },
  };
}

/** A server with a project of so many builds, and somebody who asks it. */
async function serverWith(builds: number) {
  await using undo = new AsyncDisposableStack();
  const rig = undo.use(await startRig('server'));
  await rig.project('long', { '.reprise.yml': pipelineOf('true') });
  await seedBuilds(rig, 'long', { builds, status: 'passed' });
  const client = undo.use(new Client(rig.address, { token: ADMIN_TOKEN }));
  const opened = undo.move();
  return {
    askOften: (asked: readonly string[]) => askOften(client, asked),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

async function askOften(client: Client, asked: readonly string[]): Promise<{ p50: number; p99: number }> {
  const times: number[] = [];
  for (let count = 0; count < ASKS; count += 1) {
    times.push((await client.ask(asked[count % asked.length] ?? '')).ms);
  }
  return { p50: percentile(times, 50), p99: percentile(times, 99) };
}
