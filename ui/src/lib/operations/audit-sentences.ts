import type { AuditEntry } from '@reprise/server/audit/audit.api.ts';

/** An entry in words: "alice *rebuilt #1 as* **shop #12** *…*". `what` is a link where there is somewhere to go. */
export interface AuditSentence {
  who: string;
  verb: string;
  what: string;
  href: string | null;
  more: string;
}

type Entry = Pick<AuditEntry, 'actor' | 'action' | 'project' | 'subject' | 'detail'>;
type Words = Partial<AuditSentence>;

/**
 * What each action is called, or what an entry of it says where that depends on the entry. What is left out: the actor, the
 * subject, and the build or project it is about.
 */
const WORDS: Record<string, string | ((entry: Entry) => Words)> = {
  'project.create': 'added the project',
  'project.change': 'changed the settings of',
  'project.remove': () => ({ verb: 'removed the project', href: null }),
  'project.rotate-secret': 'gave a new webhook secret to',
  'build.create': ({ detail }) => ({ verb: 'built', more: said('from', detail['ref']) }),
  'build.rebuild': ({ detail }) => ({
    verb: detail['rebuildOf'] ? `rebuilt #${detail['rebuildOf']} as` : 'rebuilt',
  }),
  'build.cancel': 'cancelled',
  'build.prioritize': () => ({ verb: 'put', more: 'first' }),
  'build.approve': 'let run',
  'build.pin': 'pinned',
  'build.unpin': 'unpinned',
  'retention.remove': ({ project, subject, detail }) => ({
    verb: 'removed by rule what was held by',
    what: subject,
    href: `/projects/${project}/settings#retention`,
    more: Array.isArray(detail['builds']) ? `(${detail['builds'].length})` : '',
  }),
  'job.retry': 'retried',
  'delivery.redeliver': ({ project, subject, detail }) =>
    detail['build']
      ? { verb: 'delivered again what became', ...buildAt(project ?? '', detail['build']) }
      : { verb: 'delivered again', what: subject },
  'runner.add': ({ subject }) => ({ verb: 'added', what: subject, href: '/runners' }),
  'runner.register': ({ subject }) => ({ who: subject, verb: 'registered itself', what: '' }),
  'runner.refused': () => ({ who: 'Somebody', verb: 'could not register' }),
  'runner.change': ({ detail }) => {
    const draining = becomes(detail['draining']);
    const href = '/runners';
    if (becomes(detail['quarantined']) === false) return { verb: 'took back', href };
    if (becomes(detail['deploy']) === true) return { verb: 'let', href, more: 'deploy' };
    if (becomes(detail['deploy']) === false) return { verb: 'took from', href, more: 'the right to deploy' };
    if (draining === false) return { verb: 'let', href, more: 'take jobs again' };
    return { verb: draining ? 'drained' : 'changed', href };
  },
  'runner.remove': 'removed',
  'user.create': ({ detail }) => ({ verb: 'added the user', more: said('as', detail['role']) }),
  'user.change': ({ detail }) => ({
    verb: `${detail['disabled'] === undefined ? 'changed' : detail['disabled'] ? 'disabled' : 'enabled'} the user`,
  }),
  'user.remove': 'removed the user',
  'user.link': 'made a link to choose a password for',
  'member.set': ({ project, subject, detail }) => ({
    verb: `made ${subject}`,
    what: `${detail['role'] ?? 'a member'} of ${project}`,
  }),
  'member.remove': ({ project, subject }) => ({
    verb: `took the role of ${subject} in`,
    what: `${project}`,
  }),
  'token.create': (entry) => ({ verb: 'made the token', ...token(entry) }),
  'token.revoke': (entry) => ({ verb: 'revoked the token', ...token(entry) }),
  'session.create': ({ detail }) => ({ verb: 'signed in', what: '', more: HOW[`${detail['how']}`] ?? '' }),
  'session.end': () => ({ verb: 'signed out', what: '' }),
  'session.refused': () => ({ who: 'Somebody', verb: 'could not sign in as' }),
  'password.change': ({ detail }) => ({
    verb: detail['how'] === 'link' ? 'chose a password' : 'changed their password',
    what: '',
  }),
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

const HOW: Record<string, string> = {
  link: 'with a link',
  github: 'with GitHub',
  'first-admin': 'as the first administrator',
  'password change': 'again with the new password',
};

/** Says an entry in words; an action that this page does not know is said as it is. */
export function sentenceOf(entry: Entry): AuditSentence {
  const { actor, action, subject } = entry;
  const words = WORDS[action] ?? action;
  const own = typeof words === 'string' ? { verb: words } : words(entry);
  return { who: actor, verb: action, what: subject, href: placeOf(entry), more: '', ...own };
}

/** What can be filtered by: `word` is what the actions are done to. The kind alone stands for all of them. */
export const ACTION_KINDS = [
  { kind: 'build', word: 'Builds' },
  { kind: 'job', word: 'Jobs' },
  { kind: 'promotion', word: 'Promotions' },
  { kind: 'deployment', word: 'Deployments' },
  { kind: 'delivery', word: 'Deliveries' },
  { kind: 'project', word: 'Projects' },
  { kind: 'retention', word: 'Retention' },
  { kind: 'member', word: 'Members' },
  { kind: 'secret', word: 'Secrets' },
  { kind: 'policy', word: 'Policies' },
  { kind: 'host', word: 'Hosts' },
  { kind: 'runner', word: 'Runners' },
  { kind: 'user', word: 'Users' },
  { kind: 'token', word: 'Tokens' },
  { kind: 'session', word: 'Sign-ins' },
  { kind: 'password', word: 'Passwords' },
].map(({ kind, word }) => ({
  kind,
  word,
  actions: Object.keys(WORDS).filter((action) => action.startsWith(`${kind}.`)),
}));

/** The members of `detail` by name; what is not text as JSON. */
export function detailLines(detail: AuditEntry['detail']): { name: string; value: string }[] {
  return Object.entries(detail).map(([name, value]) => ({
    name,
    value: typeof value === 'string' ? value : JSON.stringify(value),
  }));
}

/** Where an entry leads: the build it is about, else its project. null: nowhere. */
function placeOf({ project, subject }: Entry): string | null {
  if (project === null) return null;
  const [, number] = /#(\d{1,10})(?![\w#])/.exec(subject) ?? [];
  return number === undefined ? `/projects/${project}` : buildAt(project, number).href;
}

function buildAt(project: string, number: unknown): { what: string; href: string } {
  return { what: `${project} #${number}`, href: `/projects/${project}/builds/${number}` };
}

/** "ada: dashboard" is "dashboard" where ada does it herself, else "dashboard of ada". */
function token({ actor, subject, project }: Entry): Words {
  const [owner = '', ...name] = subject.split(': ');
  const whose = owner === actor ? '' : `of ${owner}`;
  return { what: name.join(': '), href: null, more: [whose, said('for', project)].filter(Boolean).join(' ') };
}

/** The new value of what changed `{from, to}`. */
function becomes(change: unknown): unknown {
  return typeof change === 'object' && change !== null && 'to' in change ? change.to : undefined;
}

function said(word: string, value: unknown): string {
  return typeof value === 'string' && value !== '' ? `${word} ${value}` : '';
}
