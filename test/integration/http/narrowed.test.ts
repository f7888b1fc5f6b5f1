import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeToken, type SignedInBrowser, signIn, withToken } from '../../rig/accounts.ts';
import { deliver, pushPayload } from '../../rig/github.ts';
import { type HereProject, ServerHere } from '../../rig/server-here.ts';

const PIPELINE = { '.reprise.yml': 'version: 1\njobs: { test: { steps: [{ run: "true" }] } }\n' };

let here: ServerHere;
let shop: HereProject;
let hidden: HereProject;
let admin: SignedInBrowser;
/** Administers `shop`, and sees no other project. */
let member: SignedInBrowser;
/** Has an account, and no role anywhere. */
let outsider: SignedInBrowser;

beforeAll(async () => {
  here = await ServerHere.start();
  shop = await here.project('shop', PIPELINE);
  hidden = await here.project('hidden-project', { ...PIPELINE, 'hidden.txt': '' });
  admin = await signIn(here, { login: 'ada', role: 'admin' });
  member = await signIn(here, { login: 'grace', projects: { shop: 'admin' } });
  outsider = await signIn(here, { login: 'eve' });
  for (const project of [shop, hidden])
    await here.planned(project.name, await here.push(project, project.head));
});
afterAll(() => here[Symbol.asyncDispose]());

/** What every list that is not one project's answers, by its address. */
async function lists(who: SignedInBrowser): Promise<Map<string, string>> {
  const routes = here.routes.filter(
    ({ method, path, policy }) => method === 'get' && policy === 'signed-in' && !path.includes(':'),
  );
  const answers = new Map<string, string>();
  for (const { path } of routes) {
    const { status, body } = await who.call('GET', path);
    expect(status, path).toBe(200);
    answers.set(path, JSON.stringify(body));
  }
  return answers;
}

function naming(answers: Map<string, string>, text: string): string[] {
  return [...answers].flatMap(([path, answer]) => (answer.includes(text) ? path : [])).sort();
}

const OF_PROJECTS = ['/api/audit', '/api/builds', '/api/deliveries', '/api/projects', '/api/queue'];

test('lists over projects name all of them to who sees all', async () => {
  expect(naming(await lists(admin), 'hidden-project')).toEqual(OF_PROJECTS);
});

test("lists over projects name a member's own, and nothing of another", async () => {
  const answers = await lists(member);
  expect(naming(answers, '"shop"')).toEqual(expect.arrayContaining(OF_PROJECTS));
  expect(naming(answers, 'hidden-project')).toEqual([]);
  expect(naming(answers, hidden.head)).toEqual([]);
});

test('who has no role sees lists with nothing in them', async () => {
  const answers = await lists(outsider);
  expect(naming(answers, 'hidden-project')).toEqual([]);
  expect(naming(answers, '"shop"')).toEqual([]);
});

test("an administrator's token for one project sees that one", async () => {
  const { token } = await makeToken(admin, { name: 'shop-only', role: 'admin', project: 'shop' });
  for (const path of OF_PROJECTS) {
    const { status, body } = await withToken(here, token, { path });
    expect(status, path).toBe(200);
    expect(JSON.stringify(body)).toContain('"shop"');
    expect(JSON.stringify(body)).not.toContain('hidden-project');
  }
});

test('a filter for what one may not see finds nothing, as for what is not there', async () => {
  for (const path of ['/api/deliveries', '/api/audit']) {
    for (const project of ['hidden-project', 'absent']) {
      const { status, body } = await member.call('GET', `${path}?project=${project}`);
      expect([path, status, body.items]).toEqual([path, 200, []]);
    }
  }
});

test("a delivery is run again by its own project's developers", async () => {
  const viewer = await signIn(here, { login: 'vera', projects: { shop: 'viewer' } });
  const idOf = async (project: string) =>
    (await here.admin('GET', `/api/deliveries?project=${project}`)).body.items[0].id as string;
  const run = async (who: SignedInBrowser, id: string) =>
    (await who.call('POST', `/api/deliveries/${id}/redeliver`, { reason: 'lost' })).status;
  const [own, foreign] = [await idOf('shop'), await idOf('hidden-project')];
  expect(await run(outsider, own)).toBe(404);
  expect(await run(viewer, own)).toBe(403);
  expect(await run(member, own)).toBe(202);
  expect(await run(member, foreign)).toBe(404);
  expect(await run(member, randomUUID())).toBe(404);
  expect(await run(admin, foreign)).toBe(202);
});

test('of a delivery that several projects got, only the own is run again', async () => {
  const guid = randomUUID();
  const after = shop.repository.commit('Second', { 'b.txt': 'b' });
  for (const { name, webhook } of [shop, hidden]) {
    const url = `${here.address}/webhooks/github/${name}`;
    const payload = pushPayload({ github: `example/${name}`, branch: 'main', after });
    await deliver({ secret: webhook.secret, url, event: 'push', payload, guid });
  }
  const { status, body } = await member.call('POST', `/api/deliveries/${guid}/redeliver`, {});
  expect(status).toBe(202);
  expect(body.builds.map(({ project }: { project: string }) => project)).toEqual(['shop']);
});
