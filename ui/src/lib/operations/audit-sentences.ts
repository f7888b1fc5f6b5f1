import type { AuditEntry } from '@reprise/server/audit/audit.api.ts';

/** What somebody did, as the middle of a sentence: "alice *rebuilt* shop #12". */
const VERBS: Record<string, string> = {
  'project.create': 'added the project',
  'project.change': 'changed the settings of',
  'project.remove': 'removed the project',
  'project.rotate-secret': 'gave a new webhook secret to',
  'build.create': 'built',
  'build.rebuild': 'rebuilt',
  'build.cancel': 'cancelled',
  'build.approve': 'let run',
  'job.retry': 'retried',
  'delivery.redeliver': 'delivered again',
  'runner.add': 'added',
  'runner.change': 'changed',
  'runner.remove': 'removed',
  'user.create': 'added the user',
  'user.change': 'changed the user',
  'user.remove': 'removed the user',
  'user.link': 'made a link for',
  'member.set': 'gave a role to',
  'member.remove': 'took the role of',
  'token.create': 'made the token',
  'token.revoke': 'revoked the token',
  'session.create': 'signed in',
  'session.end': 'signed out',
  'session.refused': 'was refused to sign in as',
  'password.change': 'changed their password',
  'secret.set': 'set the secret',
  'secret.remove': 'removed the secret',
  'promotion.ask': 'asked to promote',
  'promotion.approve': 'approved',
  'promotion.reject': 'rejected',
  'promotion.cancel': 'cancelled',
  'promotion.void': 'made void',
  'deployment.start': 'began to deploy',
  'deployment.end': 'ended the deployment of',
  'policy.set': 'set the policy of',
  'host.pin': 'confirmed the keys of',
  'host.forget': 'forgot the keys of',
};

/** The verb of an entry; an action this page does not know is said as it is. */
export function verbOf({ action }: Pick<AuditEntry, 'action'>): string {
  return VERBS[action] ?? action;
}

/** What is named after the verb; nothing where somebody did it to themselves. */
export function subjectOf({ actor, subject }: Pick<AuditEntry, 'actor' | 'subject'>): string {
  return actor === subject ? '' : subject;
}

/** What can be filtered by, in the order of the groups. */
export const ACTIONS = Object.keys(VERBS);

/** Where an entry leads: the build it is about, else its project. null: nowhere. */
export function placeOf({ project, subject }: Pick<AuditEntry, 'project' | 'subject'>): string | null {
  if (project === null) return null;
  const [, number] = /#(\d{1,10})(?:\s|$)/.exec(subject) ?? [];
  return number === undefined ? `/projects/${project}` : `/projects/${project}/builds/${number}`;
}

/** The members of `detail` as lines: "role: viewer". Nested ones as JSON. */
export function detailLines(detail: AuditEntry['detail']): string[] {
  return Object.entries(detail).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return `${name}: ${text}`;
  });
}
