import { type Benchmark, ratioAtMost } from './benchmark.ts';
import { againstClone } from './git-build.ts';
import { pipelineOf } from './repositories.ts';
import { startRig } from './reprise.ts';

export const gitBuildSmall: Benchmark = {
  name: 'git-build-small',
  what: 'from a push to the end seen by a page, a small repository, a step `true`',
  plain: 'git clone of it, sh -c true',
  goal: { built: ratioAtMost(0.5) },
  async run(context) {
    await using rig = await startRig('up');
    const files = Object.fromEntries(
      Array.from({ length: 40 }, (_, at) => [`src/${at}.txt`, `file ${at}\n`]),
    );
    const project = await rig.project('small', { '.reprise.yml': pipelineOf('true'), ...files });
    let changes = 0;
    const newCommit = () => {
      changes += 1;
      return project.repository.commit(`Change ${changes}`, { 'a.txt': `${changes}\n` });
    };
    return await againstClone(context, { rig, project, path: project.repository.path, newCommit }, 8);
  },
};
