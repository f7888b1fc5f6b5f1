import type { AuditEntry } from '@reprise/server/audit/audit.api.ts';
import type { AuditAction } from '@reprise/server/audit/record.ts';
import { newId } from '@reprise/server/db/id.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  addUser,
  enter,
  keyOf,
  makeToken,
  PASSWORD,
  type SignedInBrowser,
  signIn,
} from '../../rig/accounts.ts';
import { deliver } from '../../rig/github.ts';
import { PuppetRunner, packed, stepState } from '../../rig/puppet-runner.ts';
import { ADMIN_TOKEN } from '../../rig/reprise.ts';
import { type HereProject, ServerHere } from '../../rig/server-here.ts';
import { startSshd } from '../../rig/sshd.ts';

const PIPELINE = `version: 1
jobs:
  test:
    runs-on: [nobody-has-this]
    steps: [run: 'true']
`;

/** What can be promoted to `open` at once, and to `guarded` with somebody's yes. */
const PROMOTABLE = `version: 1
jobs:
  package:
    steps: [run: 'true']
    artifact: { name: site, paths: [a] }
environments:
  open: { path: /srv/open, hosts: [local] }
  guarded: { path: /srv/guarded, hosts: [local], approvals: 1 }
`;

const REGISTRATION = 'what-runners-of-these-tests-register-with';

let here: ServerHere;
let shop: HereProject;
let builder: PuppetRunner;
let deployer: PuppetRunner;

beforeAll(async () => {
  here = await ServerHere.start({
    REPRISE_ADMIN_TOKEN: ADMIN_TOKEN,
    REPRISE_LOCAL_DEPLOY_ROOT: '/srv',
    REPRISE_RUNNER_REGISTRATION: REGISTRATION,
  });
  builder = await PuppetRunner.connect(here);
  deployer = await PuppetRunner.connect(here, { labels: ['deploy'] });
  shop = await here.project('shop', { '.reprise.yml': PIPELINE });
});
afterAll(() => here[Symbol.asyncDispose]());

type Status = Promise<{ status: number }>;

interface Change {
  /** null: asks by POST and changes nothing. Several, oldest first, where one request is several things done. */
  records: AuditAction | AuditAction[] | null;
  /** Makes what the change is made to, and returns the one request that changes it. */
  prepare(): Promise<() => Status>;
}

const operator = (method: string, path: string, body?: object) => () => here.admin(method, path, body);
const name = () => `x-${newId().slice(0, 10)}`;

/** Every route that changes something, by method and path as it is declared. */
const CHANGES: Record<string, Change> = {
  'POST /api/projects': {
    records: 'project.create',
    async prepare() {
      return operator('POST', '/api/projects', { name: name(), cloneUrl: `file://${shop.repository.path}` });
    },
  },
  'PATCH /api/projects/:project': {
    records: 'project.change',
    async prepare() {
      return operator('PATCH', '/api/projects/shop', { github: `example/${name()}` });
    },
  },
  'DELETE /api/projects/:project': {
    records: 'project.remove',
    async prepare() {
      return operator('DELETE', `/api/projects/${(await here.project(name(), { a: 'a' })).name}`);
    },
  },
  'POST /api/projects/:project/webhook/rotate': {
    records: 'project.rotate-secret',
    async prepare() {
      const other = await here.project(name(), { a: 'a' });
      return operator('POST', `/api/projects/${other.name}/webhook/rotate`);
    },
  },
  'POST /api/projects/:project/builds': {
    records: 'build.create',
    async prepare() {
      return operator('POST', '/api/projects/shop/builds', { ref: 'main', reason: 'why not' });
    },
  },
  'POST /api/projects/:project/builds/:number/rebuild': {
    records: 'build.rebuild',
    prepare: async () => operator('POST', `${await build()}/rebuild`, { reason: 'why not' }),
  },
  'POST /api/projects/:project/builds/:number/cancel': {
    records: 'build.cancel',
    prepare: async () => operator('POST', `${await build()}/cancel`, { reason: 'why not' }),
  },
  'POST /api/projects/:project/builds/:number/prioritize': {
    records: 'build.prioritize',
    prepare: async () => operator('POST', `${await build()}/prioritize`, { reason: 'why not' }),
  },
  'POST /api/projects/:project/builds/:number/approve': {
    records: 'build.approve',
    prepare: async () => operator('POST', `${await forkBuild()}/approve`, { reason: 'why not' }),
  },
  'PUT /api/projects/:project/builds/:number/pin': {
    records: 'build.pin',
    prepare: async () => operator('PUT', `${await build()}/pin`, { reason: 'why not' }),
  },
  'DELETE /api/projects/:project/builds/:number/pin': {
    records: 'build.unpin',
    prepare: async () => operator('DELETE', `${await build()}/pin`),
  },
  'POST /api/projects/:project/retention/run': {
    records: 'retention.remove',
    async prepare() {
      const path = await build();
      await here.admin('POST', `${path}/cancel`);
      await build();
      const rules = { days: null, builds: 1, bytes: null, records: 'stay' };
      await here.admin('PATCH', '/api/projects/shop', { retention: rules });
      return operator('POST', '/api/projects/shop/retention/run');
    },
  },
  'POST /api/projects/:project/builds/:number/jobs/:job/retry': {
    records: 'job.retry',
    async prepare() {
      const path = await build();
      await here.admin('POST', `${path}/cancel`);
      return operator('POST', `${path}/jobs/test/retry`, { reason: 'why not' });
    },
  },
  'POST /api/deliveries/:id/redeliver': {
    records: 'delivery.redeliver',
    async prepare() {
      const other = await here.project(name(), { '.reprise.yml': PIPELINE });
      await here.push(other, other.head);
      const { body } = await here.admin('GET', `/api/deliveries?project=${other.name}`);
      return operator('POST', `/api/deliveries/${body.items[0].id}/redeliver`, { reason: 'why not' });
    },
  },
  'PUT /api/projects/:project/secrets/:name': {
    records: 'secret.set',
    prepare: async () => operator('PUT', '/api/projects/shop/secrets/KEY', { value: 'the-value' }),
  },
  'DELETE /api/projects/:project/secrets/:name': {
    records: 'secret.remove',
    async prepare() {
      await here.admin('PUT', '/api/projects/shop/secrets/OLD', { value: 'the-value' });
      return operator('DELETE', '/api/projects/shop/secrets/OLD');
    },
  },
  'POST /api/projects/:project/promotions': {
    records: 'promotion.ask',
    async prepare() {
      const project = await promotable();
      return operator('POST', `${project}/promotions`, { build: 1, environment: 'open', reason: 'why not' });
    },
  },
  'POST /api/projects/:project/promotions/:id/approve': {
    records: 'promotion.approve',
    async prepare() {
      const path = await waitingPromotion();
      const bob = await signIn(here, { login: name(), role: 'deployer' });
      return () => bob.call('POST', `${path}/approve`, { comment: 'why not' });
    },
  },
  'POST /api/projects/:project/promotions/:id/reject': {
    records: 'promotion.reject',
    prepare: async () => operator('POST', `${await waitingPromotion()}/reject`, { reason: 'why not' }),
  },
  'POST /api/projects/:project/promotions/:id/cancel': {
    records: 'promotion.cancel',
    prepare: async () => operator('POST', `${await waitingPromotion()}/cancel`, { reason: 'why not' }),
  },
  'POST /api/projects/:project/environments/:environment/rollback': {
    records: 'promotion.ask',
    async prepare() {
      const project = await promotable();
      await promoted(project, 1);
      await made(project);
      await promoted(project, 2);
      return operator('POST', `${project}/environments/open/rollback`, { reason: 'why not' });
    },
  },
  'POST /api/projects/:project/environments/:environment/converge': {
    records: 'promotion.ask',
    async prepare() {
      const project = await promotable();
      await promoted(project, 1, { healthy: false });
      return operator('POST', `${project}/environments/open/converge`, { reason: 'why not' });
    },
  },
  'POST /api/projects/:project/environments/:environment/probe': {
    records: 'deployment.start',
    async prepare() {
      const project = await promotable();
      await promoted(project, 1);
      return operator('POST', `${project}/environments/open/probe`);
    },
  },
  'PUT /api/projects/:project/policy/:environment': {
    records: 'policy.set',
    prepare: async () => operator('PUT', '/api/projects/shop/policy/production', { approvals: 2 }),
  },
  'PUT /api/projects/:project/hosts/:host': {
    records: 'host.pin',
    prepare: async () => operator('PUT', '/api/projects/shop/hosts/web1.example', HOST_KEYS),
  },
  'DELETE /api/projects/:project/hosts/:host': {
    records: 'host.forget',
    async prepare() {
      await here.admin('PUT', '/api/projects/shop/hosts/web2.example', HOST_KEYS);
      return operator('DELETE', '/api/projects/shop/hosts/web2.example');
    },
  },
  'POST /api/projects/:project/hosts/:host/scan': {
    records: null,
    async prepare() {
      const sshd = await startSshd(here.path(name()));
      return async () => {
        await using _ = sshd;
        return await here.admin('POST', `/api/projects/shop/hosts/${sshd.user}@127.0.0.1:${sshd.port}/scan`);
      };
    },
  },
  'POST /api/runner/register': {
    records: 'runner.register',
    prepare: async () => () => PuppetRunner.unadded(here).register(REGISTRATION),
  },
  'POST /api/runners': {
    records: 'runner.add',
    prepare: async () => operator('POST', '/api/runners', { name: name() }),
  },
  'PATCH /api/runners/:name': {
    records: 'runner.change',
    prepare: async () => operator('PATCH', `/api/runners/${await runner()}`, { draining: true }),
  },
  'DELETE /api/runners/:name': {
    records: 'runner.remove',
    prepare: async () => operator('DELETE', `/api/runners/${await runner()}`),
  },
  'POST /api/users': {
    records: 'user.create',
    prepare: async () => operator('POST', '/api/users', { login: name(), role: 'viewer' }),
  },
  'PATCH /api/users/:login': {
    records: 'user.change',
    prepare: async () => operator('PATCH', `/api/users/${await user()}`, { role: 'developer' }),
  },
  'DELETE /api/users/:login': {
    records: 'user.remove',
    prepare: async () => operator('DELETE', `/api/users/${await user()}`),
  },
  'POST /api/users/:login/link': {
    records: 'user.link',
    prepare: async () => operator('POST', `/api/users/${await user()}/link`),
  },
  'PUT /api/projects/:project/members/:login': {
    records: 'member.set',
    prepare: async () => operator('PUT', `/api/projects/shop/members/${await user()}`, { role: 'viewer' }),
  },
  'DELETE /api/projects/:project/members/:login': {
    records: 'member.remove',
    async prepare() {
      const login = name();
      await addUser(here, { login, projects: { shop: 'viewer' } });
      return operator('DELETE', `/api/projects/shop/members/${login}`);
    },
  },
  'POST /api/session': {
    records: 'session.create',
    async prepare() {
      const { login } = await browser();
      return async () => {
        await enter(here, { login, password: PASSWORD });
        return { status: 200 };
      };
    },
  },
  'POST /api/session/link': {
    records: null,
    async prepare() {
      const link = keyOf(await addUser(here, { login: name(), role: 'viewer' }));
      return operator('POST', '/api/session/link', { link });
    },
  },
  'DELETE /api/session': {
    records: 'session.end',
    async prepare() {
      const who = await browser();
      return () => who.call('DELETE', '/api/session');
    },
  },
  'DELETE /api/sessions/:id': {
    records: 'session.end',
    async prepare() {
      const first = await browser();
      const second = await enter(here, { login: first.login, password: PASSWORD });
      const { body } = await second.call('GET', '/api/sessions');
      const { id } = body.items.find(({ current }: { current: boolean }) => !current);
      return () => second.call('DELETE', `/api/sessions/${id}`);
    },
  },
  'PUT /api/session/password': {
    // The browser goes on with a session of its own, as all earlier ones end.
    records: ['password.change', 'session.create'],
    async prepare() {
      const who = await browser();
      const password = 'another battery staple';
      return () => who.call('PUT', '/api/session/password', { current: PASSWORD, password });
    },
  },
  'POST /api/tokens': {
    records: 'token.create',
    async prepare() {
      const who = await browser();
      return () => who.call('POST', '/api/tokens', { name: 'ci', role: 'viewer' });
    },
  },
  'DELETE /api/tokens/:id': {
    records: 'token.revoke',
    async prepare() {
      const who = await browser();
      const { id } = await makeToken(who, { name: 'ci', role: 'viewer' });
      return () => who.call('DELETE', `/api/tokens/${id}`);
    },
  },
};

/** The address of a planned build of `shop` that waits for a runner. */
async function build(): Promise<string> {
  const { body } = await here.admin('POST', '/api/projects/shop/builds', { ref: 'main' });
  await here.planned('shop', body.number);
  return `/api/projects/shop/builds/${body.number}`;
}

/** The same of a build that waits for a yes. */
async function forkBuild(): Promise<string> {
  const payload = {
    action: 'opened',
    number: 12,
    pull_request: {
      title: 'Take this',
      head: { ref: 'mine', sha: shop.head, repo: { id: 2 } },
      base: { ref: 'main', sha: shop.head, repo: { id: 1 } },
    },
    repository: { full_name: 'example/shop' },
    sender: { login: 'stranger' },
  };
  await here.admin('PATCH', '/api/projects/shop', { github: 'example/shop' });
  const response = await deliver({ ...shop.webhook, event: 'pull_request', payload });
  const { builds } = (await response.json()) as { builds: { number: number }[] };
  const number = builds[0]?.number ?? 0;
  await here.planned('shop', number);
  return `/api/projects/shop/builds/${number}`;
}

const HOST_KEYS = {
  keys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGzS0G9iHOwrgOEO7vBhNBLD3Mv2iGpGFYFQzZ5d9cbp'],
};

/** The address of a project whose first build has passed and made an artifact. */
async function promotable(): Promise<string> {
  const project = await here.project(name(), { '.reprise.yml': PROMOTABLE });
  const path = `/api/projects/${project.name}`;
  await made(path);
  return path;
}

/** One more build with an artifact of its own. */
async function made(project: string): Promise<void> {
  const { body } = await here.admin('POST', `${project}/builds`, { ref: 'main' });
  await here.planned(body.project, body.number);
  const work = await builder.take();
  const [content, manifest] = [name(), name()];
  const file = { ...packed('site', content, manifest), fileName: `site-${work.version}.tar.gz` };
  for (const bytes of [content, manifest]) await builder.putBlob(work, bytes);
  const steps = work.job.steps.map(({ name }) => stepState(name, { status: 'passed', finishedMs: 1 }));
  expect(await builder.finish(work, { artifacts: [file], steps })).toMatchObject({ status: 200 });
}

/** Promotes a build to `open` and has it deployed, as the runner says. */
async function promoted(project: string, build: number, o: { healthy?: boolean } = {}): Promise<void> {
  const asked = { build, environment: 'open', reason: 'why not', confirmOlder: true };
  const { body } = await here.admin('POST', `${project}/promotions`, asked);
  // Others' deployments may stand before it.
  for (;;) {
    const work = await deployer.take();
    const { id, release } = work.deployment ?? { id: '', release: '' };
    const host = { host: 'local', state: 'new', current: release, digest: null, locked: false } as const;
    const result = { outcome: 'done', status: 'passed', why: null, release, redeployed: false } as const;
    const deployment = { ...result, hosts: [{ ...host, healthy: o.healthy ?? true }], probes: [] };
    expect(await deployer.finish(work, { deployment })).toMatchObject({ status: 200 });
    if (id === body.deployment.id) return;
  }
}

/** The address of a promotion that the operator asked for and that waits for a yes. */
async function waitingPromotion(): Promise<string> {
  const project = await promotable();
  const asked = { build: 1, environment: 'guarded', reason: 'why not' };
  const { body } = await here.admin('POST', `${project}/promotions`, asked);
  return `${project}/promotions/${body.id}`;
}

async function runner(): Promise<string> {
  return (await here.admin('POST', '/api/runners', { name: name() })).body.name;
}

async function user(): Promise<string> {
  const login = name();
  await addUser(here, { login, role: 'viewer' });
  return login;
}

function browser(): Promise<SignedInBrowser> {
  return signIn(here, { login: name(), role: 'viewer' });
}

async function newest(): Promise<AuditEntry[]> {
  return (await here.admin<{ items: AuditEntry[] }>('GET', '/api/audit?limit=3')).body.items;
}

test('every route that changes something is among these, and none that is not declared', () => {
  const declared = here.routes
    .filter(({ method, policy }) => method !== 'get' && method !== 'head' && policy !== 'runner')
    .map(({ method, path }) => `${method.toUpperCase()} ${path}`);
  expect(Object.keys(CHANGES).sort()).toEqual([...new Set(declared)].sort());
});

test.each(Object.keys(CHANGES))('%s writes its one entry, and says so', async (route) => {
  const { records, prepare } = CHANGES[route] as Change;
  const expected = records === null ? [] : [records].flat();
  const change = await prepare();
  const before = (await newest())[0]?.seq ?? 0;
  const announced: string[] = [];
  const stop = here.services.live.onChanged((topic) => void announced.push(topic));
  const { status } = await change();
  stop();
  expect(status).toBeGreaterThanOrEqual(200);
  expect(status).toBeLessThan(300);
  const written = (await newest()).filter(({ seq }) => seq > before);
  expect(written.map(({ action }) => action).reverse()).toEqual(expected);
  expect(announced.includes('audit')).toBe(records !== null);
  const ofProject =
    route.includes(':project') || route.includes('redeliver') || route === 'POST /api/projects';
  if (records) expect(written[0]?.project !== null).toBe(ofProject);
});

test('what is refused or changes nothing writes no entry', async () => {
  const path = await build();
  await here.admin('POST', `${path}/cancel`);
  const runnerName = await runner();
  const before = (await newest())[0]?.seq;
  await here.admin('POST', `${path}/cancel`);
  await here.admin('PATCH', '/api/projects/shop', { defaultBranch: null });
  await here.admin('PATCH', '/api/projects/shop', { cloneUrl: 'https://bob:secret@host/x' });
  await here.admin('PATCH', `/api/runners/${runnerName}`, { draining: false });
  await here.admin('POST', '/api/runners', { name: runnerName });
  await here.admin('POST', '/api/projects', { name: 'shop', cloneUrl: 'https://127.0.0.1:1/x.git' });
  await here.admin('DELETE', '/api/runners/nobody');
  expect((await newest())[0]?.seq).toBe(before);
});
