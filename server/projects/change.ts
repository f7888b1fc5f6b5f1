import type { Project } from '../db/schema.ts';
import { githubName } from '../git/clone-url.ts';
import type { Services } from '../services.ts';
import { purposes } from '../vault.ts';
import { checkBranch, checkCloneUrl, fetchInBackground, newWebhookSecret } from './create.ts';
import { assertFits, sealCredential } from './credential.ts';
import type { ProjectChange } from './project.api.ts';

/**
 * Changes what is given and leaves the rest; a project's name never changes, as webhooks and records carry it. A new
 * address takes `github` with it unless that is given too. The mirror stays: what was built can be built again.
 */
export async function changeProject(
  services: Services,
  project: Project,
  given: ProjectChange,
): Promise<Project> {
  const url = checkCloneUrl(given.cloneUrl ?? project.clone_url, services.config.gitProtocols);
  checkBranch(given.defaultBranch);
  assertFits(url, given.credential?.kind ?? project.credential_kind);
  const github = given.cloneUrl === undefined ? project.github : githubName(url);
  const changed = {
    clone_url: given.cloneUrl ?? project.clone_url,
    github: given.github === undefined ? github : given.github,
    default_branch: given.defaultBranch === undefined ? project.default_branch : given.defaultBranch,
    ...(given.credential ? sealCredential(services.vault, project, given.credential) : {}),
  };
  await services.db.updateTable('projects').set(changed).where('id', '=', project.id).execute();
  services.live.changed('projects', `project:${project.name}`);
  const after = { ...project, ...changed };
  if (given.cloneUrl !== undefined || given.credential) fetchInBackground(services, after);
  return after;
}

/** Gives the project's webhook a new secret; deliveries signed with the old one are refused from now on. */
export async function rotateWebhookSecret({ db, vault }: Services, project: Project): Promise<string> {
  const secret = newWebhookSecret();
  const sealed = vault.seal(secret, purposes.webhookSecret(project.id));
  await db.updateTable('projects').set({ webhook_secret: sealed }).where('id', '=', project.id).execute();
  return secret;
}
