import { rmSync } from 'node:fs';
import { Schedules } from '@reprise/server/schedules/schedules.ts';
import { HoldsHere } from '@reprise/server/servers/holds.ts';
import { expect, test } from 'vitest';
import { type HereProject, ServerHere } from '../../rig/server-here.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A Monday. */
const NOON = Date.parse('2026-11-23T12:00:00Z');

const pipeline = (...schedules: string[]) => `version: 1
on: { push: , schedule: [${schedules.join(', ')}] }
jobs: { test: { steps: [{ run: 'true' }] } }
`;
const NIGHTLY = '{ cron: "0 3 * * *" }';

/** A server whose clock stands at noon until it is set, and a look at what is due. */
async function start() {
  const server = await ServerHere.start();
  const clock = { time: NOON };
  server.services.now = () => clock.time;
  const schedules = new Schedules(server.services);
  return {
    server,
    clock,
    look: () => schedules.look(),
    /** The project's builds, the oldest first. */
    async builds(project: string) {
      const { body } = await server.admin('GET', `/api/projects/${project}/builds?limit=200`);
      return body.items.toReversed();
    },
    async schedules(project: string) {
      return (await server.admin('GET', `/api/projects/${project}`)).body.schedules;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function pushed(server: ServerHere, project: HereProject, files: Record<string, string>) {
  const commit = project.repository.commit('Change', files);
  await server.planned(project.name, await server.push(project, commit));
  return commit;
}

test('a schedule of the pushed file is shown with its next run, and builds the head of its branch then', async () => {
  await using rig = await start();
  const { server, clock } = rig;
  const shop = await server.project('shop', { '.reprise.yml': pipeline(NIGHTLY) });
  await server.planned('shop', await server.push(shop, shop.head));
  const shown = { cron: '0 3 * * *', timezone: 'UTC', branch: null, lastBuild: null, why: '' };
  expect(await rig.schedules('shop')).toEqual([{ ...shown, nextAt: '2026-11-24T03:00:00.000Z' }]);

  clock.time = Date.parse('2026-11-24T02:59:59Z');
  await rig.look();
  expect(await rig.builds('shop')).toHaveLength(1);
  const head = shop.repository.commit('Not delivered', { file: '1' });
  clock.time = Date.parse('2026-11-24T03:00:02Z');
  await rig.look();
  const [, nightly] = await rig.builds('shop');
  expect(await server.planned('shop', nightly.number)).toMatchObject({
    commit: head,
    branch: 'main',
    status: 'queued',
    trigger: { kind: 'schedule', by: 'Reprise', reason: '0 3 * * *, due at 2026-11-24T03:00:00.000Z' },
  });
  expect(await rig.schedules('shop')).toEqual([
    { ...shown, nextAt: '2026-11-25T03:00:00.000Z', lastBuild: 2 },
  ]);
  await rig.look();
  expect(await rig.builds('shop')).toHaveLength(2);
});

test('of several servers that look at once, one makes the build', async () => {
  await using rig = await start();
  const { server, clock } = rig;
  const shop = await server.project('shop', { '.reprise.yml': pipeline(NIGHTLY, '{ cron: "0 3 * * 2" }') });
  await server.planned('shop', await server.push(shop, shop.head));
  // Each with holds of its own, as if those of the database were lost.
  const others = Array.from(
    { length: 4 },
    () => new Schedules({ ...server.services, holds: new HoldsHere() }),
  );
  for (let day = 1; day <= 3; day += 1) {
    clock.time = NOON + day * DAY_MS;
    await Promise.all(others.map((schedules) => schedules.look()));
  }
  const kinds = (await rig.builds('shop')).map(({ trigger }: { trigger: { kind: string } }) => trigger.kind);
  expect(kinds).toEqual(['push', ...Array.from({ length: 4 }, () => 'schedule')]);
});

test('a server that was down for days catches up one run of each schedule', async () => {
  await using rig = await start();
  const { server, clock } = rig;
  const hourly = '{ cron: "30 * * * *" }';
  const shop = await server.project('shop', { '.reprise.yml': pipeline(NIGHTLY, hourly) });
  await server.planned('shop', await server.push(shop, shop.head));
  clock.time = NOON + 5 * DAY_MS;
  await rig.look();
  await rig.look();
  const reasons = (await rig.builds('shop'))
    .slice(1)
    .map(({ trigger }: { trigger: { reason: string } }) => trigger.reason);
  expect(reasons.toSorted()).toEqual([
    '0 3 * * *, due at 2026-11-24T03:00:00.000Z',
    '30 * * * *, due at 2026-11-23T12:30:00.000Z',
  ]);
  expect((await rig.schedules('shop')).map(({ nextAt }: { nextAt: string }) => nextAt)).toEqual([
    '2026-11-28T12:30:00.000Z',
    '2026-11-29T03:00:00.000Z',
  ]);
});

test('the file at the head of the default branch decides, also against what was read of it before', async () => {
  await using rig = await start();
  const { server, clock } = rig;
  const shop = await server.project('shop', { '.reprise.yml': pipeline(NIGHTLY) });
  await server.planned('shop', await server.push(shop, shop.head));
  shop.repository.git('checkout', '--quiet', '-b', 'topic');
  const topic = shop.repository.commit('Topic', { '.reprise.yml': pipeline('{ cron: "0 4 * * *" }') });
  await server.planned('shop', await server.push(shop, topic, { branch: 'topic' }));
  expect((await rig.schedules('shop')).map(({ cron }: { cron: string }) => cron)).toEqual(['0 3 * * *']);

  shop.repository.git('checkout', '--quiet', 'main');
  shop.repository.commit('Not delivered', { '.reprise.yml': pipeline('{ cron: "0 5 * * *" }') });
  clock.time = NOON + DAY_MS;
  await rig.look();
  expect(await rig.builds('shop')).toHaveLength(2);
  expect((await rig.schedules('shop')).map(({ cron }: { cron: string }) => cron)).toEqual(['0 5 * * *']);

  await pushed(server, shop, { '.reprise.yml': 'version: 1\njobs: { test: { steps: [{ run: x }] } }\n' });
  expect(await rig.schedules('shop')).toEqual([]);
});

test('when another branch becomes the default branch its file counts', async () => {
  await using rig = await start();
  const { server } = rig;
  const shop = await server.project('shop', { '.reprise.yml': pipeline(NIGHTLY) });
  shop.repository.git('checkout', '--quiet', '-b', 'next');
  const next = shop.repository.commit('Next', { '.reprise.yml': pipeline('{ cron: "0 4 * * *" }') });
  shop.repository.git('checkout', '--quiet', 'main');
  await server.planned('shop', await server.push(shop, shop.head));
  // Fetched for sure: the first fetch may have been before there was such a branch.
  await server.planned('shop', await server.push(shop, next, { branch: 'next' }));
  await server.admin('PATCH', '/api/projects/shop', { defaultBranch: 'next' });
  rig.clock.time += 61_000;
  await rig.look();
  expect((await rig.schedules('shop')).map(({ cron }: { cron: string }) => cron)).toEqual(['0 4 * * *']);
});

test('a schedule names a branch and a time zone, and one whose branch is gone says so', async () => {
  await using rig = await start();
  const { server, clock } = rig;
  const schedule = '{ cron: "0 3 * * *", branch: release/1.x, timezone: Europe/Berlin }';
  const shop = await server.project('shop', { '.reprise.yml': pipeline(schedule) });
  shop.repository.git('branch', 'release/1.x');
  const main = await pushed(server, shop, { file: '1' });
  expect((await rig.schedules('shop'))[0]).toMatchObject({ nextAt: '2026-11-24T02:00:00.000Z' });
  clock.time = Date.parse('2026-11-24T02:00:00Z');
  await rig.look();
  const [, nightly] = await rig.builds('shop');
  expect(nightly).toMatchObject({ commit: shop.head, branch: 'release/1.x' });
  expect(nightly.commit).not.toBe(main);

  shop.repository.git('branch', '--delete', '--force', 'release/1.x');
  clock.time += DAY_MS;
  await rig.look();
  expect(await rig.builds('shop')).toHaveLength(2);
  expect(await rig.schedules('shop')).toMatchObject([
    { why: 'there is no branch release/1.x', lastBuild: 2, nextAt: '2026-11-26T02:00:00.000Z' },
  ]);
});

test('a project nobody pushed to yet has its schedules once it was fetched', async () => {
  await using rig = await start();
  await rig.server.project('quiet', { '.reprise.yml': pipeline(NIGHTLY) });
  await expect
    .poll(async () => {
      rig.clock.time += 61_000;
      await rig.look();
      return rig.schedules('quiet');
    })
    .toMatchObject([{ cron: '0 3 * * *' }]);
});

test('while the repository is away a run waits for it and says why', async () => {
  await using rig = await start();
  const { server, clock } = rig;
  const shop = await server.project('shop', { '.reprise.yml': pipeline(NIGHTLY) });
  await server.planned('shop', await server.push(shop, shop.head));
  rmSync(shop.repository.path, { recursive: true });
  clock.time = NOON + DAY_MS;
  await rig.look();
  expect(await rig.builds('shop')).toHaveLength(1);
  expect(await rig.schedules('shop')).toMatchObject([
    { why: expect.stringMatching(/\w/), nextAt: '2026-11-24T03:00:00.000Z' },
  ]);
});
