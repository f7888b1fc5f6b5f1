import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createBuild } from '@reprise/server/builds/create.ts';
import { projectNamed } from '@reprise/server/projects/project.store.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type HereProject, ServerHere } from '../../rig/server-here.ts';

const PIPELINE = "version: 1\njobs:\n  test:\n    steps: [run: 'true']\n";

let server: ServerHere;
let shop: HereProject;

beforeAll(async () => {
  server = await ServerHere.start({ REPRISE_GIT_PROTOCOLS: 'file:http' });
  shop = await server.project('shop', { '.reprise.yml': PIPELINE });
  shop.repository.git('tag', 'v1.0');
  shop.repository.git('branch', 'release/1');
});
afterAll(() => server[Symbol.asyncDispose]());

const ask = (body: object, project = 'shop') => server.admin('POST', `/api/projects/${project}/builds`, body);

describe('a build can be asked for', () => {
  test('of a branch, a tag, a full ref, a commit and the beginning of one', async () => {
    const short = shop.head.slice(0, 7);
    for (const [ref, expected] of [
      ['main', { ref: 'refs/heads/main', branch: 'main', tag: null }],
      ['release/1', { ref: 'refs/heads/release/1', branch: 'release/1', tag: null }],
      ['v1.0', { ref: 'refs/tags/v1.0', branch: null, tag: 'v1.0' }],
      ['refs/heads/main', { ref: 'refs/heads/main', branch: 'main', tag: null }],
      [shop.head, { ref: '', branch: null, tag: null }],
      [short, { ref: '', branch: null, tag: null }],
    ] as const) {
      const { status, body } = await ask({ ref, reason: 'because' });
      expect(status).toBe(201);
      expect(body).toMatchObject({
        ...expected,
        project: 'shop',
        status: 'queued',
        commit: shop.head,
        message: 'First',
        author: { name: 'Ada Example', email: 'ada@example.test' },
        trigger: { kind: 'manual', by: 'operator', reason: 'because' },
        rebuildOf: null,
      });
      expect((await server.planned('shop', body.number)).jobs).toHaveLength(1);
    }
  });

  test('of what was pushed a moment ago, without a webhook', async () => {
    const commit = shop.repository.commit('News', { news: 'yes' });
    expect((await ask({ ref: 'main' })).body.commit).toBe(commit);
    const other = shop.repository.commit('More news', { news: 'more' });
    expect((await ask({ ref: other })).body.commit).toBe(other);
  });
});

describe('asking for a build is refused', () => {
  test('with the nearest names where there is no such ref', async () => {
    const { status, body } = await ask({ ref: 'mian' });
    expect(status).toBe(422);
    expect(body).toMatchObject({ code: 'unknown-ref', nearest: ['main'] });
    expect(body.detail).toContain('Did you mean main?');
    expect((await ask({ ref: 'f'.repeat(40) })).status).toBe(422);
    expect((await ask({ ref: 'main', pipeline: 'relase/1' })).body.nearest).toEqual(['release/1']);
  });

  test.each([
    ['--upload-pack=touch /tmp/x', 422],
    ['refs/heads/../../x', 422],
    ['main:refs/heads/other', 422],
    ['main\nother', 422],
    ['HEAD~1', 422],
  ])('for %j, which is no name at all', async (ref, expected) => {
    expect((await ask({ ref })).status).toBe(expected);
  });

  test.each([
    [{}, 'ref'],
    [{ ref: '' }, 'ref'],
    [{ ref: 7 }, 'ref'],
    [{ ref: 'main', reson: 'typo' }, 'body'],
    [{ ref: 'main', reason: 'x'.repeat(5000) }, 'reason'],
  ])('naming the field of %j', async (body, field) => {
    const answer = await ask(body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].field).toBe(field);
  });

  test('for a project that does not exist', async () => {
    expect((await ask({ ref: 'main' }, 'nothing')).status).toBe(404);
  });

  test("in git's words where the repository cannot be fetched, but a commit that was fetched still builds", async () => {
    const gone = await server.project('gone', { '.reprise.yml': PIPELINE });
    await server.planned('gone', (await ask({ ref: 'main' }, 'gone')).body.number);
    rmSync(gone.repository.path, { recursive: true });
    const refused = await ask({ ref: 'main' }, 'gone');
    expect(refused).toMatchObject({ status: 502, body: { code: 'fetch-failed' } });
    expect(refused.body.detail).toMatch(/does not (appear to be a git repository|exist)/);
    const { body } = await ask({ ref: gone.head }, 'gone');
    expect((await server.planned('gone', body.number)).status).toBe('queued');
  });

  test('after a bounded time where the repository does not answer', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const cloneUrl = `http://127.0.0.1:${port}/silent.git`;
    await server.admin('POST', '/api/projects', { name: 'silent', cloneUrl });
    const project = await projectNamed(server.services.db, 'silent');
    const wanted = {
      ref: 'main',
      reason: '',
      pipeline: null,
      by: { name: 'ada', via: '' },
      fetchWithinMs: 100,
    };
    const asked = createBuild(server.services, project, wanted, new AbortController().signal);
    await expect(asked).rejects.toMatchObject({ status: 504, code: 'fetch-timed-out' });
    silent.closeAllConnections();
    silent.close();
  });
});
