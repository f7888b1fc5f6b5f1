import { createHmac, randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deliver, pushPayload } from '../../rig/github.ts';
import { examplesOf } from '../../rig/github-examples.ts';
import { makeRepository } from '../../rig/repository.ts';
import { type Answer, type HereProject, ServerHere } from '../../rig/server-here.ts';

const INSTANCE_SECRET = 'the secret of an organisation hook';

let server: ServerHere;
let shop: HereProject;

beforeAll(async () => {
  server = await ServerHere.start({ REPRISE_GITHUB_WEBHOOK_SECRET: INSTANCE_SECRET });
  shop = await server.project('shop', { README: 'A shop' });
});
afterAll(() => server[Symbol.asyncDispose]());

/** What a sender may vary. */
interface Sent {
  body: string | Buffer;
  headers?: Record<string, string>;
  /** Signs what is sent unless headers say otherwise. */
  secret?: string;
  url?: string;
}

async function send({ body, headers, secret = shop.webhook.secret, url = shop.webhook.url }: Sent) {
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'push',
      'x-github-delivery': randomUUID(),
      'x-hub-signature-256': `sha256=${hmac('sha256', secret, body)}`,
      ...headers,
    },
  });
  const text = await response.text();
  return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text };
}

function hmac(algorithm: string, secret: string, body: string | Buffer): string {
  return createHmac(algorithm, secret).update(body).digest('hex');
}

async function push(o: Partial<Parameters<typeof pushPayload>[0]> & { guid?: string } = {}): Promise<Answer> {
  const { guid, ...given } = o;
  const payload = pushPayload({ github: 'example/shop', branch: 'main', after: shop.head, ...given });
  const response = await deliver({ ...shop.webhook, event: 'push', payload, ...(guid && { guid }) });
  return { status: response.status, body: await response.json() };
}

async function numberOfBuilds(): Promise<number> {
  const { count } = await server.services.db
    .selectFrom('builds')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return count;
}

/** A commit that was never pushed before: each push of it is another event. */
function newCommit(): string {
  return randomUUID().replaceAll('-', '').padEnd(40, '0');
}

describe('a signature', () => {
  test("of GitHub's own vector is accepted", async () => {
    const secret = "It's a Secret to Everybody";
    const other = await server.project('vector', { a: 'a' });
    const { id } = await server.services.db
      .selectFrom('projects')
      .select('id')
      .where('name', '=', 'vector')
      .executeTakeFirstOrThrow();
    const sealed = server.services.vault.seal(secret, `project/${id}/webhook-secret`);
    await server.services.db
      .updateTable('projects')
      .set({ webhook_secret: sealed })
      .where('id', '=', id)
      .execute();
    const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
    const headers = { 'x-hub-signature-256': signature };
    const answer = await send({ body: 'Hello, World!', headers, url: other.webhook.url });
    // Verified, and only then found not to be JSON.
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].field).toBe('payload');
  });

  test('that does not match, is missing, is only sha1, or for an unknown project is answered alike', async () => {
    const body = JSON.stringify(pushPayload({ github: 'example/shop', branch: 'main', after: newCommit() }));
    const before = await numberOfBuilds();
    const good = hmac('sha256', shop.webhook.secret, body);
    const flipped = Buffer.from(body);
    flipped[100] = (flipped[100] ?? 0) ^ 1;
    const answers = await Promise.all([
      send({ body: flipped, headers: { 'x-hub-signature-256': `sha256=${good}` } }),
      send({ body, secret: 'another secret' }),
      send({ body, headers: { 'x-hub-signature-256': '' } }),
      send({ body, headers: { 'x-hub-signature-256': good } }),
      send({ body, headers: { 'x-hub-signature-256': `sha256=${good}0` } }),
      send({ body, headers: { 'x-hub-signature-256': `sha256=${good.toUpperCase()}` } }),
      send({
        body,
        headers: {
          'x-hub-signature-256': '',
          'x-hub-signature': `sha1=${hmac('sha1', shop.webhook.secret, body)}`,
        },
      }),
      send({ body, url: `${server.address}/webhooks/github/nobody` }),
      send({ body: 'not even JSON', secret: 'wrong' }),
      send({ body, url: `${server.address}/webhooks/github` }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 401));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(await numberOfBuilds()).toBe(before);
    expect(server.logLines.map(({ why }) => why)).toEqual(
      expect.arrayContaining(['unknown project', 'signature']),
    );
  });

  test('is over the bytes: a body with characters of several bytes is accepted', async () => {
    const payload = pushPayload({
      github: 'example/shop',
      branch: 'größe-🚀',
      after: newCommit(),
      message: 'Für 🚀',
    });
    expect((await send({ body: JSON.stringify(payload) })).status).toBe(202);
  });

  test('of a form is over the form', async () => {
    const payload = pushPayload({
      github: 'example/shop',
      branch: 'main',
      after: newCommit(),
      message: 'a+b & c%',
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const { status, body } = await send({
      body: `${new URLSearchParams({ payload: JSON.stringify(payload) })}`,
      headers,
    });
    expect(status).toBe(202);
    expect(await server.build('shop', body.builds[0].number)).toMatchObject({ message: 'a+b & c%' });
  });
});

describe("GitHub's seven examples of a push", () => {
  test('each get the right answer', async () => {
    await server.project('hello-world', { a: 'a' }, { github: 'codertocat/hello-world' });
    const url = `${server.address}/webhooks/github`;
    const answers = [];
    for (const payload of examplesOf('push')) {
      answers.push(await send({ body: JSON.stringify(payload), secret: INSTANCE_SECRET, url }));
    }
    const build = (number: number) => ({ builds: [{ project: 'hello-world', number }] });
    const deleted = { ignored: 'refs/tags/simple-tag was deleted: there is nothing to build.' };
    expect(answers).toMatchObject([
      { status: 202, body: build(1) },
      { status: 200, body: deleted },
      { status: 200, body: deleted },
      { status: 200, body: deleted },
      { status: 202, body: build(2) },
      // The same event as the one before, under another id.
      { status: 200, body: build(2) },
      { status: 200, body: deleted },
    ]);
    expect(await server.build('hello-world', 1)).toMatchObject({
      commit: '6113728f27ae82c7b1a177c8d03f9e96e0adf246',
      ref: 'refs/tags/simple-tag',
      tag: 'simple-tag',
      branch: null,
      message: 'Adding a .gitignore file',
      author: { name: 'Codertocat', email: '21031067+Codertocat@users.noreply.github.com' },
      trigger: { kind: 'tag', by: 'Codertocat', reason: '' },
    });
    expect(await server.build('hello-world', 2)).toMatchObject({ branch: 'master', tag: null });
  });
});

describe('one delivery', () => {
  test('sent fifty times at once makes one build', async () => {
    const [guid, after, before] = [randomUUID(), newCommit(), await numberOfBuilds()];
    const answers = await Promise.all(Array.from({ length: 50 }, () => push({ guid, after })));
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(49);
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(await numberOfBuilds()).toBe(before + 1);
  });

  test('sent again after a restart is answered with the same build', async () => {
    const [guid, after] = [randomUUID(), newCommit()];
    const first = await push({ guid, after });
    await server.startAgain();
    const { webhook } = shop;
    const payload = pushPayload({ github: 'example/shop', branch: 'main', after });
    const url = `${server.address}${new URL(webhook.url).pathname}`;
    shop = { ...shop, webhook: { ...webhook, url } };
    const again = await deliver({ url, secret: webhook.secret, event: 'push', payload, guid });
    expect(again.status).toBe(200);
    expect(await again.json()).toEqual(first.body);
  });
});

describe('one event under two ids', () => {
  test('within ten minutes is one build, and both deliveries say so', async () => {
    const [after, other] = [newCommit(), randomUUID()];
    const first = await push({ after });
    const twin = await push({ after, guid: other });
    expect([first.status, twin.status]).toEqual([202, 200]);
    expect(twin.body.builds).toEqual(first.body.builds);
    // The twin's own repeat as well.
    expect((await push({ after, guid: other })).body).toEqual(twin.body);
  });

  test.each([
    ['the branch', { branch: 'other' }],
    ['what was before', { before: newCommit() }],
  ])('that differ in %s are two builds', async (_, change) => {
    const after = newCommit();
    const first = await push({ after });
    const second = await push({ after, ...change });
    expect(second.status).toBe(202);
    expect(second.body.builds).not.toEqual(first.body.builds);
  });

  test('more than ten minutes apart are two builds', async () => {
    const after = newCommit();
    const first = await push({ after });
    await server.services.db
      .updateTable('deliveries')
      .set((eb) => ({ received_at: eb('received_at', '-', 10 * 60_000 + 1) }))
      .where('after_sha', '=', after)
      .execute();
    const later = await push({ after });
    expect(later.status).toBe(202);
    expect(later.body.builds).not.toEqual(first.body.builds);
  });
});

describe('what is no build', () => {
  test('is recorded and answered with why', async () => {
    const ping = { zen: 'Keep it logically awesome.', hook_id: 1, repository: { full_name: 'example/shop' } };
    const answer = await send({ body: JSON.stringify(ping), headers: { 'x-github-event': 'ping' } });
    expect(answer).toMatchObject({ status: 200, body: { ignored: 'The ping arrived: this webhook works.' } });
    const { body } = await server.admin('GET', '/api/deliveries?limit=1');
    expect(body.items[0]).toMatchObject({
      project: 'shop',
      event: 'ping',
      builds: [],
      ignored: answer.body.ignored,
    });
  });

  test("of the instance's hook without a repository needs no project", async () => {
    const answer = await send({
      body: JSON.stringify({ zen: 'Design for failure.', organization: { login: 'example' } }),
      headers: { 'x-github-event': 'ping' },
      secret: INSTANCE_SECRET,
      url: `${server.address}/webhooks/github`,
    });
    expect(answer).toMatchObject({ status: 200, body: { ignored: expect.stringContaining('ping') } });
  });
});

describe("the instance's hook", () => {
  test('makes a build for each project of the repository', async () => {
    await server.project('twice-a', { a: 'a' }, { github: 'Example/Twice' });
    await server.project('twice-b', { a: 'a' }, { github: 'example/twice' });
    const payload = pushPayload({ github: 'example/TWICE', branch: 'main', after: newCommit() });
    const url = `${server.address}/webhooks/github`;
    const answer = await send({ body: JSON.stringify(payload), secret: INSTANCE_SECRET, url });
    expect(answer).toMatchObject({
      status: 202,
      body: {
        builds: [
          { project: 'twice-a', number: 1 },
          { project: 'twice-b', number: 1 },
        ],
      },
    });
  });

  test('for a repository that is no project is answered as a wrong signature is', async () => {
    const payload = pushPayload({ github: 'example/unknown', branch: 'main', after: newCommit() });
    const url = `${server.address}/webhooks/github`;
    expect((await send({ body: JSON.stringify(payload), secret: INSTANCE_SECRET, url })).status).toBe(401);
  });
});

test('a payload about another repository than the project builds is refused', async () => {
  const before = await numberOfBuilds();
  const answer = await push({ github: 'example/elsewhere', after: newCommit() });
  expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  expect(answer.body.detail).toContain('example/elsewhere');
  expect(await numberOfBuilds()).toBe(before);
});

describe('a request that is', () => {
  test.each([
    ['not JSON', { body: '{"ref":' }, 'payload'],
    [
      'a form without payload',
      { body: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      'payload',
    ],
    ['without an event', { body: '{}', headers: { 'x-github-event': '' } }, 'X-GitHub-Event'],
    ['without an id', { body: '{}', headers: { 'x-github-delivery': '' } }, 'X-GitHub-Delivery'],
    ['without a ref', { body: '{"repository":{"full_name":"example/shop"}}' }, 'ref'],
    ['nested 100,000 deep', { body: '['.repeat(100_000) }, 'payload'],
    ['nested 65 deep', { body: `${'{"a":'.repeat(65)}1${'}'.repeat(65)}` }, 'payload'],
  ])('%s is refused naming the field', async (_, sent, field) => {
    const answer = await send(sent);
    expect(answer.status).toBe(400);
    expect(answer.body.errors.map((error: { field: string }) => error.field)).toContain(field);
  });

  test('compressed is refused, not inflated', async () => {
    const body = gzipSync(Buffer.alloc(1024 ** 2));
    expect((await send({ body, headers: { 'content-encoding': 'gzip' } })).status).toBe(415);
  });

  test('of another content type is refused', async () => {
    expect((await send({ body: '{}', headers: { 'content-type': 'text/xml' } })).status).toBe(415);
  });

  test('over 25 MiB is refused, also without a length, and one of 25 MiB is read', async () => {
    const large = Buffer.alloc(25 * 1024 ** 2 + 1, ' ');
    expect((await send({ body: large })).status).toBe(413);
    const response = await fetch(shop.webhook.url, {
      method: 'POST',
      body: ReadableStream.from([large.subarray(0, 13e6), large.subarray(13e6)]),
      duplex: 'half',
    });
    expect(response.status).toBe(413);
    expect((await send({ body: large.subarray(1) })).status).toBe(400);
  });
});

test('a fork pull request becomes a build that waits for approval', async () => {
  const payload = {
    action: 'opened',
    number: 12,
    pull_request: {
      title: 'Take this',
      head: { ref: 'mine', sha: newCommit(), repo: { id: 2 } },
      base: { ref: 'main', sha: shop.head, repo: { id: 1 } },
    },
    repository: { full_name: 'example/shop' },
    sender: { login: 'stranger' },
  };
  const answer = await send({ body: JSON.stringify(payload), headers: { 'x-github-event': 'pull_request' } });
  expect(answer.status).toBe(202);
  const [build] = answer.body.builds;
  expect(await server.build('shop', build.number)).toMatchObject({
    ref: 'refs/pull/12/head',
    branch: null,
    pullRequest: { number: 12, fork: true, head: 'mine', base: 'main' },
    trigger: { kind: 'pull_request', by: 'stranger' },
  });
});

describe('the list of deliveries', () => {
  test('pages from the newest to the oldest without a gap', async () => {
    for (let at = 0; at < 5; at += 1) await push({ after: newCommit() });
    const all = (await server.admin('GET', '/api/deliveries?limit=5')).body.items;
    const first = (await server.admin('GET', '/api/deliveries?limit=2')).body;
    const second = (await server.admin('GET', `/api/deliveries?limit=3&before=${first.next}`)).body;
    expect([...first.items, ...second.items]).toEqual(all);
    expect(all[0]).toMatchObject({ event: 'push', sender: 'ada', ref: 'refs/heads/main', ignored: null });
  });

  test('is narrowed to a project', async () => {
    await push({ after: newCommit() });
    const projects = async (name: string) => {
      const { body } = await server.admin('GET', `/api/deliveries?project=${name}`);
      return new Set(body.items.map(({ project }: { project: string }) => project));
    };
    expect(await projects('shop')).toEqual(new Set(['shop']));
    expect(await projects('nothing')).toEqual(new Set());
  });

  test('says what became of the builds it came to', async () => {
    const guid = randomUUID();
    const { body } = await push({ guid, after: newCommit() });
    const [{ number }] = body.builds;
    await server.admin('POST', `/api/deliveries/${guid}/redeliver`);
    // Nobody has such a commit.
    await server.planned('shop', number);
    await server.planned('shop', number + 1);
    const [{ builds }] = (await server.admin('GET', '/api/deliveries?limit=1')).body.items;
    expect(builds).toEqual([
      { project: 'shop', number, status: 'errored' },
      { project: 'shop', number: number + 1, status: 'errored' },
    ]);
  });

  test('can run one again, as a new build of the same commit', async () => {
    const [guid, after] = [randomUUID(), newCommit()];
    const { body: first } = await push({ guid, after });
    const again = await server.admin('POST', `/api/deliveries/${guid}/redeliver`);
    expect(again.status).toBe(202);
    const [build] = again.body.builds;
    expect(build.number).toBeGreaterThan(first.builds[0].number);
    expect(await server.build('shop', build.number)).toMatchObject({
      commit: after,
      trigger: { kind: 'push', by: 'ada', reason: 'delivered again by operator' },
    });
    expect((await push({ guid, after })).body.builds).toEqual([...first.builds, build]);
  });

  test('refuses to run what was no build, or what is not there', async () => {
    const guid = randomUUID();
    const headers = { 'x-github-event': 'star', 'x-github-delivery': guid };
    await send({ body: JSON.stringify({ repository: { full_name: 'example/shop' } }), headers });
    expect((await server.admin('POST', `/api/deliveries/${guid}/redeliver`)).status).toBe(409);
    expect((await server.admin('POST', `/api/deliveries/${randomUUID()}/redeliver`)).status).toBe(404);
  });
});

test('a server that was just given a repository answers before it has looked at it', async () => {
  const repository = makeRepository(server.path('repositories', 'late'));
  const head = repository.commit('First', { a: 'a' });
  const { body } = await server.admin('POST', '/api/projects', {
    name: 'late',
    cloneUrl: `file://${repository.path}`,
    github: 'example/late',
  });
  const payload = pushPayload({ github: 'example/late', branch: 'main', after: head });
  const response = await deliver({ ...body.webhook, event: 'push', payload });
  expect(response.status).toBe(202);
});
