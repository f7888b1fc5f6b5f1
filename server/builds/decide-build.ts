import type { Pipeline } from '@reprise/pipelines/model.ts';
import { decideTrigger, type TriggerDecision } from '@reprise/pipelines/trigger.ts';
import type { Build, Project } from '../db/schema.ts';
import type { Mirrors } from '../git/mirrors.ts';
import type { Changes } from '../webhooks/event.ts';
import { isDelivered } from './bring-commit.ts';

/** Whether a pipeline file's `on` lets this build be. What a person asked for, and a rebuild, is not held back. */
export async function decideBuild(
  mirrors: Mirrors,
  project: Project,
  build: Build,
  { on, headSubject }: { on: Pipeline['on']; headSubject: string },
): Promise<TriggerDecision> {
  if (!isDelivered(build)) return { build: true };
  if (build.tag !== null) return decideTrigger(on, { kind: 'tag', tag: build.tag, headSubject });
  if (build.pull_request !== null) {
    const { base } = JSON.parse(build.pull_request);
    const paths = on.pullRequest?.paths ? await changedPaths(mirrors, project, build) : null;
    return decideTrigger(on, { kind: 'pull_request', base, paths, headSubject });
  }
  const paths = on.push?.paths ? await changedPaths(mirrors, project, build) : null;
  return decideTrigger(on, { kind: 'push', branch: build.branch ?? '', paths, headSubject });
}

/** As the delivery listed them, else by comparing the commits; null where what came before is not known here. */
async function changedPaths(mirrors: Mirrors, project: Project, build: Build): Promise<string[] | null> {
  const { since, paths }: Changes = JSON.parse(build.changed_paths ?? '{"since":null,"paths":null}');
  if (paths !== null || since === null) return paths;
  return mirrors.changedPaths(project, since, build.commit_sha);
}
