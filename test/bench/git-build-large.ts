import { type Benchmark, ratioAtMost } from './benchmark.ts';
import { againstClone } from './git-build.ts';
import { makeLargeRepository } from './large-repository.ts';
import { pipelineOf } from './repositories.ts';
import { addProject, startRig } from './reprise.ts';

export const gitBuildLarge: Benchmark = {
  name: 'git-build-large',
  what: 'from a push to the end seen by a page, a repository of 28 MB packed, a step `true`',
  plain: 'git clone of it, sh -c true',
  goal: { built: ratioAtMost(0.1) },
  async run(context) {
    await using rig = await startRig('up');
    context.say('makes the repository');
    const repository = await makeLargeRepository(rig.path('large'), pipelineOf('true'));
    const project = await addProject(rig, 'large', repository.path);
    let changes = 0;
    const newCommit = () => {
      changes += 1;
      return repository.commit(`Change ${changes}`, { 'src/part-0/module-0.ts': `${changes}\n` });
    };
    return await againstClone(context, { rig, project, path: repository.path, newCommit }, 2);
  },
};
