import { tempDir } from '../rig/temp.ts';
import { atMost, type Benchmark } from './benchmark.ts';
import { Client } from './client.ts';
import { alternate, pick, timed } from './measure.ts';
import { shell } from './program.ts';
import { sendPush, signedPush } from './push.ts';
import { pipelineOf } from './repositories.ts';
import { instant, passed, startRig } from './reprise.ts';

/** Builds a round: one alone would be a matter of luck. */
const BUILDS = 8;

export const webhookToFinished: Benchmark = {
  name: 'webhook-to-finished',
  what: 'from a push to the end of its build, a step `true`, sandbox and checkout included; the commit new, the mirrors warm',
  plain: 'git fetch into a mirror, git clone --shared and checkout, sh -c true',
  goal: { 'finished, at the server': atMost(25) },
  async run(context) {
    await using rig = await startRig('up');
    using dir = tempDir();
    using client = new Client(rig.address);
    const project = await rig.project('finish', { '.reprise.yml': pipelineOf('true'), 'a.txt': 'a\n' });
    const mirror = dir.join('mirror.git');
    await shell(`git clone --quiet --mirror ${project.repository.path} ${mirror}`);
    let changes = 0;
    const newCommit = () => {
      changes += 1;
      return project.repository.commit(`Change ${changes}`, { 'a.txt': `${changes}\n` });
    };

    const times = await alternate(context, {
      async ours() {
        const sum = { seen: 0, stored: 0 };
        for (let build = 0; build < BUILDS; build += 1) {
          const push = signedPush(project, newCommit());
          const sentAt = Date.now();
          const sent = performance.now();
          const { number } = await sendPush(client, project, push);
          const { finishedAt } = await passed(rig, project.name, number);
          sum.seen += performance.now() - sent;
          sum.stored += instant(finishedAt) - sentAt;
        }
        return { seen: sum.seen / BUILDS, stored: sum.stored / BUILDS };
      },
      async plain() {
        let sum = 0;
        for (let build = 0; build < BUILDS; build += 1) {
          const commit = newCommit();
          const workspace = dir.join(`workspace-${commit}`);
          sum += await timed(async () => {
            await shell(`git -C ${mirror} fetch --quiet origin`);
            await shell(`git clone --quiet --shared --no-checkout ${mirror} ${workspace}`);
            await shell(`git -C ${workspace} checkout --quiet ${commit}`);
            await shell('true');
          });
        }
        return { seen: sum / BUILDS, stored: sum / BUILDS };
      },
    });
    return [
      {
        name: 'finished, at the server',
        unit: 'ms',
        ours: pick(times.ours, 'stored'),
        plain: pick(times.plain, 'stored'),
      },
      {
        name: 'finished, seen by a page',
        unit: 'ms',
        ours: pick(times.ours, 'seen'),
        plain: pick(times.plain, 'seen'),
      },
    ];
  },
};
