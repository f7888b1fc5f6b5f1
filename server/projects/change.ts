import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import type { Project } from '../db/schema.ts';
import { githubName } from '../git/clone-url.ts';
import { forgetHeads } from '../lookout/heads.store.ts';
import type { RetentionRules } from '../retention/retention.api.ts';
import { readSchedulesAgain } from '../schedules/schedule.store.ts';
import type { Services } from '../services.ts';
import { purposes } from '../vault.ts';
import { checkBranch, checkCloneUrl, fetchInBackground, newWebhookSecret } from './create.ts';
import { assertFits, sealCredential } from './credential.ts';
import type { ProjectChange } from './project.api.ts';

/**
 * Changes what is given and leaves the rest; a project's name never changes, as webhooks and records carry it. A new
 * address takes `github` with it unless that is given too. The mirror stays: what was built can be built again. What is at the new
 * address already is old history: it is not looked for.
 */
export async function changeProject(
  services: Services,
  project: Project,
  given: ProjectChange,
  by: Actor,
): Promise<Project> {
  const url = checkCloneUrl(given.cloneUrl ?? project.clone_url, services.config.gitProtocols);
  checkBranch(given.defaultBranch);
  assertFits(url, given.credential?.kind ?? project.credential_kind);
  const github = given.cloneUrl === undefined ? project.github : githubName(url);
  const changed = {
    clone_url: given.cloneUrl ?? project.clone_url,
    github: given.github === undefined ? github : given.github,
    default_branch: given.defaultBranch === undefined ? project.default_branch : given.defaultBranch,
    public: given.public === undefined ? project.public : Number(given.public),
    retention: given.retention === undefined ? project.retention : rulesText(given.retention),
    ...(given.credential ? sealCredential(services.vault, project, given.credential) : {}),
  };
  const after = { ...project, ...changed };
  const detail = whatChanged(project, after);
  if (Object.keys(detail).length === 0) return project;
  await services.db.transaction().execute(async (trx) => {
    await trx.updateTable('projects').set(changed).where('id', '=', project.id).execute();
    if (after.default_branch !== project.default_branch) await readSchedulesAgain(trx, project.id);
    if (after.clone_url !== project.clone_url) await forgetHeads(trx, project.id);
    await recordAudit(trx, {
      at: services.now(),
      by,
      action: 'project.change',
      project: project.name,
      subject: project.name,
      detail,
    });
  });
  services.live.changed('projects', `project:${project.name}`, 'audit');
  if (given.cloneUrl !== undefined || given.credential) fetchInBackground(services, after);
  return after;
}

/** One text for the same rules, so that they are compared as text. */
function rulesText(rules: RetentionRules | null): string | null {
  if (rules === null) return null;
  const { days, builds, bytes, records } = rules;
  return JSON.stringify({ days, builds, bytes, records });
}

function rulesIn(text: string | null): unknown {
  return text === null ? null : JSON.parse(text);
}

/** Each changed setting as `{from, to}`. Of a credential its kind: a new token in the place of another is a change, too. */
function whatChanged(before: Project, after: Project): Record<string, { from: unknown; to: unknown }> {
  const settings: Record<string, [from: unknown, to: unknown]> = {
    cloneUrl: [before.clone_url, after.clone_url],
    github: [before.github, after.github],
    defaultBranch: [before.default_branch, after.default_branch],
    public: [before.public === 1, after.public === 1],
  };
  const changes = Object.entries(settings).filter(([, [from, to]]) => from !== to);
  if (before.retention !== after.retention)
    changes.push(['retention', [rulesIn(before.retention), rulesIn(after.retention)]]);
  if (before.credential !== after.credential)
    changes.push(['credential', [before.credential_kind, after.credential_kind]]);
  return Object.fromEntries(changes.map(([name, [from, to]]) => [name, { from, to }]));
}

/** Gives the project's webhook a new secret; deliveries signed with the old one are refused from now on. */
export async function rotateWebhookSecret(
  { db, vault, live, now }: Services,
  project: Project,
  by: Actor,
): Promise<string> {
  const secret = newWebhookSecret();
  const sealed = vault.seal(secret, purposes.webhookSecret(project.id));
  await db.transaction().execute(async (trx) => {
    await trx.updateTable('projects').set({ webhook_secret: sealed }).where('id', '=', project.id).execute();
    const { name } = project;
    await recordAudit(trx, { at: now(), by, action: 'project.rotate-secret', project: name, subject: name });
  });
  live.changed('audit');
  return secret;
}
