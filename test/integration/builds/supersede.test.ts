import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deliver } from '../../rig/github.ts';
import { PuppetRunner } from '../../rig/puppet-runner.ts';
import { type HereProject, ServerHere } from '../../rig/server-here.ts';

let server: ServerHere;

beforeAll(async () => {
  server = await ServerHere.start();
});
afterAll(() => server[Symbol.asyncDispose]());

const pipeline = (rule: string, label: string) =>
  `version: 1\ncancel-superseded: ${rule}\njobs: { test: { runs-on: ${label}, steps: [{ run: 'true' }] } }\n`;

/** A project whose jobs only a runner with its name as a label takes. */
function project(name: string, rule: string): Promise<HereProject> {
  return server.project(name, { '.reprise.yml': pipeline(rule, name) });
}

async function pushNext(to: HereProject, branch: string): Promise<number> {
  const number = await server.push(to, to.repository.commit('Next', { at: `${Math.random()}` }), { branch });
  await server.planned(to.name, number);
  return number;
}

async function statuses(name: string): Promise<Record<string, string>> {
  const { body } = await server.admin('GET', `/api/projects/${name}/builds`);
  return Object.fromEntries(
    body.items.map((build: { number: number; status: string }) => [build.number, build.status]),
  );
}

describe('a push to a branch', () => {
  test('cancels what waits of it, says why and who did it, and leaves other branches alone', async () => {
    const shop = await project('shop', 'queued');
    const old = await pushNext(shop, 'topic');
    const other = await pushNext(shop, 'other');
    const next = await pushNext(shop, 'topic');
    const ended = await server.until('shop', old, ({ status }) => status === 'cancelled');
    expect(ended).toMatchObject({
      why: `superseded by #${next}`,
      finishedAt: expect.any(String),
      jobs: [{ status: 'cancelled', why: `superseded by #${next}` }],
    });
    expect(await statuses('shop')).toEqual({ [old]: 'cancelled', [other]: 'queued', [next]: 'queued' });
    const { body } = await server.admin('GET', '/api/audit?project=shop');
    expect(body.items[0]).toMatchObject({
      actor: 'Reprise',
      action: 'build.cancel',
      subject: `shop #${old}`,
      reason: `superseded by #${next}`,
    });
  });

  test('leaves alone what runs, unless the file says running', async () => {
    const web = await project('web', 'queued');
    const runner = await PuppetRunner.connect(server, { labels: ['web'] });
    const first = await pushNext(web, 'topic');
    const work = await runner.take();
    const second = await pushNext(web, 'topic');
    expect(await statuses('web')).toEqual({ [first]: 'running', [second]: 'queued' });

    web.repository.commit('Ask for more', { '.reprise.yml': pipeline('running', 'web') });
    const standing = runner.renew([work], { immediate: false });
    const third = await pushNext(web, 'topic');
    expect((await standing).body.cancel).toEqual([work.attempt]);
    await runner.finish(work, { status: 'cancelled' });
    expect(await server.until('web', first, ({ status }) => status === 'cancelled')).toMatchObject({
      why: `superseded by #${third}`,
    });
    expect(await statuses('web')).toEqual({ [first]: 'cancelled', [second]: 'cancelled', [third]: 'queued' });
  });

  test('cancels nothing of the default branch unless asked to', async () => {
    const kept = await project('kept', 'running');
    const [one, two] = [await pushNext(kept, 'main'), await pushNext(kept, 'main')];
    expect(await statuses('kept')).toEqual({ [one]: 'queued', [two]: 'queued' });
    const rule = '{ builds: queued, default-branch: true }';
    kept.repository.commit('Ask', { '.reprise.yml': pipeline(rule, 'kept') });
    const three = await pushNext(kept, 'main');
    expect(await statuses('kept')).toEqual({ [one]: 'cancelled', [two]: 'cancelled', [three]: 'queued' });
  });

  test('cancels nothing that a person asked for, nor a tag, and neither cancels a push', async () => {
    const asked = await project('asked', '{ builds: running, default-branch: true }');
    const pushed = await pushNext(asked, 'main');
    const path = '/api/projects/asked/builds';
    const { body: manual } = await server.admin('POST', path, { ref: 'main' });
    await server.planned('asked', manual.number);
    const { body: again } = await server.admin('POST', `${path}/${pushed}/rebuild`);
    await server.planned('asked', again.number);
    asked.repository.git('tag', 'v1.0.0');
    const payload = {
      ref: 'refs/tags/v1.0.0',
      after: asked.repository.git('rev-parse', 'HEAD'),
      commits: [],
    };
    const tag = await server.push(asked, asked.head, { payload });
    await server.planned('asked', tag);
    const [a, b, c, d] = [pushed, manual.number, again.number, tag];
    expect(await statuses('asked')).toEqual({ [a]: 'queued', [b]: 'queued', [c]: 'queued', [d]: 'queued' });
    await pushNext(asked, 'main');
    expect(await statuses('asked')).toMatchObject({
      [a]: 'cancelled',
      [b]: 'queued',
      [c]: 'queued',
      [d]: 'queued',
    });
  });

  test('and a job that is tried again afterwards runs', async () => {
    const retried = await project('retried', 'queued');
    const old = await pushNext(retried, 'topic');
    await pushNext(retried, 'topic');
    const { body } = await server.admin('POST', `/api/projects/retried/builds/${old}/jobs/test/retry`);
    expect(body).toMatchObject({ status: 'queued', jobs: [{ status: 'queued' }] });
    expect(body.why).not.toContain('superseded');
  });
});

test('a commit that is pushed to a pull request supersedes those before it', async () => {
  const forked = await project('forked', 'queued');
  for (const number of [1, 2]) {
    const sha = forked.repository.commit('Change', { at: `${number}` });
    forked.repository.git('update-ref', 'refs/pull/7/head', sha);
    const payload = {
      action: number === 1 ? 'opened' : 'synchronize',
      number: 7,
      pull_request: {
        title: 'Change',
        head: { ref: 'stranger', sha, repo: null },
        base: { ref: 'main', sha: forked.head, repo: { id: 1 } },
      },
      repository: { full_name: 'example/forked' },
      sender: { login: 'stranger' },
    };
    await deliver({ ...forked.webhook, event: 'pull_request', payload });
    await server.planned('forked', number);
  }
  expect(await statuses('forked')).toEqual({ 1: 'cancelled', 2: 'blocked' });
});
