import { randomBytes } from 'node:crypto';
import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import { newId } from '../db/id.ts';
import type { Project } from '../db/schema.ts';
import { type CloneUrl, githubName, parseCloneUrl } from '../git/clone-url.ts';
import { isShortRef } from '../git/names.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { purposes } from '../vault.ts';
import { assertFits, sealCredential } from './credential.ts';
import type { NewProject } from './project.api.ts';
import { isNameTaken } from './project.store.ts';

/**
 * Registers a repository. Answers its row and the webhook's secret, which is never shown again. Refuses 400 an address that
 * this server would not fetch, 409 a name that is taken. The first clone begins at once, in the background.
 */
export async function createProject(
  services: Services,
  given: NewProject,
  by: Actor,
): Promise<{ project: Project; secret: string }> {
  const { vault, db } = services;
  const url = checkCloneUrl(given.cloneUrl, services.config.gitProtocols);
  checkBranch(given.defaultBranch);
  const credential = given.credential ?? { kind: 'none' };
  assertFits(url, credential.kind);
  const id = newId();
  const secret = newWebhookSecret();
  const project: Project = {
    id,
    name: given.name,
    clone_url: given.cloneUrl,
    github: given.github ?? githubName(url),
    default_branch: given.defaultBranch ?? null,
    webhook_secret: vault.seal(secret, purposes.webhookSecret(id)),
    ...sealCredential(vault, { id, name: given.name }, credential),
    last_build_number: 0,
    created_at: services.now(),
    public: 0,
    retention: null,
    held_builds: 0,
    held_bytes: 0,
  };
  try {
    await db.transaction().execute(async (trx) => {
      await trx.insertInto('projects').values(project).execute();
      const { clone_url: cloneUrl, github, default_branch: defaultBranch } = project;
      await recordAudit(trx, {
        at: project.created_at,
        by,
        action: 'project.create',
        project: project.name,
        subject: project.name,
        detail: { cloneUrl, github, defaultBranch, credential: credential.kind },
      });
    });
  } catch (error) {
    if (!isNameTaken(error)) throw error;
    throw new Refusal(409, 'name-taken', `There is a project ${given.name} already. Choose another name.`);
  }
  services.live.changed('projects', `project:${project.name}`, 'audit');
  fetchInBackground(services, project);
  return { project, secret };
}

/** What GitHub signs with: 256 random bits. */
export function newWebhookSecret(): string {
  return randomBytes(32).toString('base64url');
}

export function checkCloneUrl(text: string, protocols: readonly string[]): CloneUrl {
  const { url, problem } = parseCloneUrl(text, protocols);
  if (url) return url;
  throw new Refusal(400, 'bad-request', problem, { errors: [{ field: 'cloneUrl', message: problem }] });
}

export function checkBranch(name: string | null | undefined): void {
  if (name === null || name === undefined || isShortRef(name)) return;
  const message = `${JSON.stringify(name)} cannot be the name of a branch.`;
  throw new Refusal(400, 'bad-request', message, { errors: [{ field: 'defaultBranch', message }] });
}

/** So that the first build finds the mirror filled. Where it fails (a deploy key not entered yet), the next fetch says so. */
export function fetchInBackground({ mirrors, live, log }: Services, project: Project): void {
  mirrors.fetch(project).then(
    () => live.changed('projects', `project:${project.name}`),
    (error) => log.info({ err: error, project: project.name }, 'The first fetch of a project failed'),
  );
}
