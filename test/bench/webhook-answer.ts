import { setTimeout } from 'node:timers/promises';
import { tempDir } from '../rig/temp.ts';
import { atMost, type Benchmark } from './benchmark.ts';
import { Client } from './client.ts';
import { alternate, percentile, pick } from './measure.ts';
import { startPlainServer } from './program.ts';
import { type SignedPush, sendPush, signedPush } from './push.ts';
import { addCommits, pipelineOf } from './repositories.ts';
import { planned, startRig } from './reprise.ts';

const PUSHES = 100;

/** Each webhook is sent when the build of the one before is planned, so that nothing else is done meanwhile. */
export const webhookAnswer: Benchmark = {
  name: 'webhook-answer',
  what: 'a signed push (7.7 KB) is answered by an idle server, its delivery and build durable',
  plain: 'a bare Node server: signature, JSON, one durable SQLite insert',
  goal: { 'answered, 99 of 100': atMost(10) },
  async run(context) {
    await using rig = await startRig('server');
    using dir = tempDir();
    const project = await rig.project('idle', { '.reprise.yml': pipelineOf('true') });
    await using bare = await startPlainServer(
      'plain/webhook-server.ts',
      dir.join('bare.db'),
      project.webhook.secret,
    );
    using ours = new Client(rig.address);
    using theirs = new Client(bare.address);
    const commits = await addCommits(project.repository, PUSHES * (context.rounds + 1));
    const pushes = commits.map((commit) => signedPush(project, commit));

    const answers = await alternate(context, {
      ours: (round) =>
        eachOf(pushes, round, async (push) => {
          const { ms, number } = await sendPush(ours, project, push);
          await planned(rig, project.name, number);
          return ms;
        }),
      plain: (round) =>
        eachOf(pushes, round, async (push) => {
          const { ms } = await theirs.ask('/', { method: 'POST', ...push });
          await setTimeout(5);
          return ms;
        }),
    });
    return [
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

async function eachOf(pushes: SignedPush[], round: number, send: (push: SignedPush) => Promise<number>) {
  const times: number[] = [];
  for (const push of pushes.slice(round * PUSHES, (round + 1) * PUSHES)) times.push(await send(push));
  return { p50: percentile(times, 50), p99: percentile(times, 99) };
}
