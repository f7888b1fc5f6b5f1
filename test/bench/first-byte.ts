import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tempDir } from '../rig/temp.ts';
import { atMost, type Benchmark } from './benchmark.ts';
import { Client } from './client.ts';
import { alternate, pick, timed } from './measure.ts';
import { shell } from './program.ts';
import { sendPush, signedPush } from './push.ts';
import { pipelineOf } from './repositories.ts';
import { passed, startRig } from './reprise.ts';

const BUILDS = 6;

/** The step lives on after its first words, so that they are not merely what was flushed when it ended. */
const STEP = 'echo the first words; sleep 0.2';

export const firstByte: Benchmark = {
  name: 'first-byte',
  what: "from a push to the first bytes of its step's output at somebody who watches the log live",
  plain: 'git fetch into a mirror, git clone --shared and checkout, and the first bytes of the command',
  goal: { 'first bytes': atMost(30) },
  async run(context) {
    await using rig = await startRig('up');
    using dir = tempDir();
    using client = new Client(rig.address);
    const project = await rig.project('words', { '.reprise.yml': pipelineOf(STEP), 'a.txt': 'a\n' });
    const mirror = dir.join('mirror.git');
    await shell(`git clone --quiet --mirror ${project.repository.path} ${mirror}`);
    let changes = 0;
    const newCommit = () => {
      changes += 1;
      return project.repository.commit(`Change ${changes}`, { 'a.txt': `${changes}\n` });
    };

    const times = await alternate(context, {
      async ours() {
        let sum = 0;
        for (let build = 0; build < BUILDS; build += 1) {
          const push = signedPush(project, newCommit());
          const sent = performance.now();
          const { number } = await sendPush(client, project, push);
          await rig.logHas(project.name, number, 'job', 'the first words');
          sum += performance.now() - sent;
          await passed(rig, project.name, number);
        }
        return { ms: sum / BUILDS };
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
            await once(spawn('sh', ['-c', STEP], { stdio: ['ignore', 'pipe', 'ignore'] }).stdout, 'data');
          });
        }
        return { ms: sum / BUILDS };
      },
    });
    return [
      { name: 'first bytes', unit: 'ms', ours: pick(times.ours, 'ms'), plain: pick(times.plain, 'ms') },
    ];
  },
};
