import type { DeployArtifact, Deployment } from './deployment.ts';

/** Texts that stay on hosts. What people and repositories wrote is made one line of them, so that nobody writes a second one. */

/** The content of the lock, whose first line is how a deployment knows its own. */
export function lockText(deployment: Deployment, now: Date): string {
  const { id, project, environment, by, owner, reason } = deployment;
  return [
    `deployment ${id}`,
    `project ${project}, environment ${environment.name}`,
    `by ${oneLine(by)}`,
    `since ${now.toISOString()}`,
    `reason ${oneLine(reason)}`,
    ...(owner === '' ? [] : [oneLine(owner)]),
  ].join('\n');
}

/** Whose lock it is, from its text, for a sentence. */
export function lockHolder(text: string): string {
  const [deployment = '', , by = '', since = '', reason = ''] = text.split('\n').map(oneLine);
  if (!deployment.startsWith('deployment ')) return 'somebody else';
  return `${deployment} (${[by, since, reason].filter(Boolean).join(', ')})`;
}

/** The line of `revisions.log`: Capistrano's sentence, which its users' scripts read, and then ours. */
export function revisionLine(
  deployment: Deployment,
  o: { release: string; artifact: DeployArtifact | null; isFlip: boolean },
): string {
  const { by, reason, project } = deployment;
  const who = oneLine(by) || 'Reprise';
  const a = o.artifact;
  const ours = `: ${oneLine(reason)}${a === null ? ' (Reprise)' : ` (Reprise ${project}#${a.build} ${oneLine(a.version)})`}`;
  if (o.isFlip || a === null) return `${who} rolled back to release ${o.release}${ours}`;
  const branch = oneLine(a.branch || a.tag) || 'HEAD';
  return `Branch ${branch} (at ${a.commit.slice(0, 7)}) deployed as release ${o.release} by ${who}${ours}`;
}

/** `RELEASE.json`: what a release is, for whoever is on the host. */
export function releaseJson(deployment: Deployment, artifact: DeployArtifact, release: string): string {
  const { id, project, environment, by, reason } = deployment;
  const { name, fileName, sha256, treeSha256, version, build, commit, branch, tag } = artifact;
  const made = { name, fileName, version, sha256, treeSha256 };
  return JSON.stringify(
    {
      release,
      project,
      environment: environment.name,
      build,
      commit,
      branch,
      tag,
      artifact: made,
      deployment: id,
      by,
      reason,
    },
    null,
    2,
  );
}

/** Without line breaks and what moves a cursor, and not longer than a log's line should be. */
export function oneLine(text: string): string {
  const clean = text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, ' ').trim();
  return clean.length <= 500 ? clean : `${clean.slice(0, 499)}…`;
}
