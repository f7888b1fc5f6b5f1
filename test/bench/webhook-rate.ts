import { tempDir } from '../rig/temp.ts';
import { atMost, type Benchmark, ratioAtLeast } from './benchmark.ts';
import { Client } from './client.ts';
import { alternate, percentile, pick } from './measure.ts';
import { startPlainServer } from './program.ts';
import { type SignedPush, sendPush, signedPush } from './push.ts';
import { addCommits, pipelineOf } from './repositories.ts';
import { planned, startRig } from './reprise.ts';

const PUSHES = 300;
const AT_ONCE = 10;

/** The builds of a burst are planned while it lasts, as they would be; between the rounds all planning is waited for. */
export const webhookRate: Benchmark = {
  name: 'webhook-rate',
  what: 'signed pushes of new commits, ten at once, each durable before its answer; planning goes on behind',
  plain: 'a bare Node server: signature, JSON, one durable SQLite insert',
  goal: { 'answered a second': ratioAtLeast(0.5), 'answered, 99 of 100': atMost(50) },
  async run(context) {
    await using rig = await startRig('server');
    using dir = tempDir();
    const project = await rig.project('burst', { '.reprise.yml': pipelineOf('true') });
    await using bare = await startPlainServer(
      'plain/webhook-server.ts',
      dir.join('bare.db'),
      project.webhook.secret,
    );
    using ours = new Client(rig.address);
    using theirs = new Client(bare.address);
    const commits = await addCommits(project.repository, PUSHES * (context.rounds + 1));
    const pushes = commits.map((commit) => signedPush(project, commit));
    let last = 0;

    const answers = await alternate(context, {
      async ours(round) {
        if (last > 0) await planned(rig, project.name, last);
        return burst(pushes, round, async (push) => {
          const { ms, number } = await sendPush(ours, project, push);
          last = Math.max(last, number);
          return ms;
        });
      },
      async plain(round) {
        await planned(rig, project.name, last);
        return burst(pushes, round, async (push) => (await theirs.ask('/', { method: 'POST', ...push })).ms);
      },
    });
    return [
      {
        name: 'answered a second',
        unit: '/s',
        ours: pick(answers.ours, 'rate'),
        plain: pick(answers.plain, 'rate'),
      },
      {
        name: 'answered, half of them',
        unit: 'ms',
        ours: pick(answers.ours, 'p50'),
        plain: pick(answers.plain, 'p50'),
      },
      {
        name: 'answered, 99 of 100',
        unit: 'ms',
        ours: pick(answers.ours, 'p99'),
        plain: pick(answers.plain, 'p99'),
      },
    ];
  },
};

async function burst(pushes: SignedPush[], round: number, send: (push: SignedPush) => Promise<number>) {
  const left = pushes.slice(round * PUSHES, (round + 1) * PUSHES);
  const times: number[] = [];
  const start = performance.now();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let push = left.pop(); push; push = left.pop()) times.push(await send(push));
    }),
  );
  const rate = times.length / ((performance.now() - start) / 1000);
  return { rate, p50: percentile(times, 50), p99: percentile(times, 99) };
}
