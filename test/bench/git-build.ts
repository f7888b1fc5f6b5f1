import type { Rig, RigProject } from '../rig/reprise.ts';
import { tempDir } from '../rig/temp.ts';
import type { Context, Figure } from './benchmark.ts';
import { Client } from './client.ts';
import { alternate, pick, timed } from './measure.ts';
import { shell } from './program.ts';
import { sendPush, signedPush } from './push.ts';
import { passed } from './reprise.ts';

/** A repository whose every new commit is built, with a step `true`. */
export interface Built {
  rig: Rig;
  project: Pick<RigProject, 'name' | 'webhook'>;
  path: string;
  newCommit(): string;
}

/** Builds new commits of a repository, in turn with cloning it; `builds` a round. */
export async function againstClone(
  context: Context,
  { rig, project, path, newCommit }: Built,
  builds: number,
): Promise<Figure[]> {
  using dir = tempDir();
  using client = new Client(rig.address);
  let clones = 0;
  const times = await alternate(context, {
    async ours() {
      let sum = 0;
      for (let build = 0; build < builds; build += 1) {
        const push = signedPush(project, newCommit());
        sum += await timed(async () => {
          const { number } = await sendPush(client, project, push);
          await passed(rig, project.name, number);
        });
      }
      return { ms: sum / builds };
    },
    async plain() {
      let sum = 0;
      for (let build = 0; build < builds; build += 1) {
        newCommit();
        clones += 1;
        const workspace = dir.join(`clone-${clones}`);
        sum += await timed(async () => {
          await shell(`git clone --quiet file://${path} ${workspace}`);
          await shell('true');
        });
        await shell(`rm -rf ${workspace}`);
      }
      return { ms: sum / builds };
    },
  });
  return [{ name: 'built', unit: 'ms', ours: pick(times.ours, 'ms'), plain: pick(times.plain, 'ms') }];
}
