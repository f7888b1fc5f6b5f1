import { expect, test } from 'vitest';
import { GithubApiServer } from '../../rig/github-api.ts';
import { ServerHere } from '../../rig/server-here.ts';

const MINUTE_MS = 60_000;
const PIPELINE = 'version: 1\njobs: { test: { steps: [run: "true"] } }\n';

test('GitHub is asked to deliver again what did not arrive, but not what did, is old, or was tried often enough', async () => {
  await using github = await GithubApiServer.start('example/shop');
  await using here = await ServerHere.start(github.env);
  const real = here.services.now;
  let later = 0;
  here.services.now = () => real() + later * MINUTE_MS;
  const shop = await here.project('shop', { '.reprise.yml': PIPELINE });
  await here.planned('shop', await here.push(shop, shop.head));
  const { body } = await here.admin('GET', '/api/deliveries?project=shop');
  await github.until((told) => told.some(({ path }) => path.startsWith('/statuses/')));

  github.hooks.push(
    { id: 1, active: true, config: { url: 'https://elsewhere.example/hook' } },
    { id: 2, active: true, config: { url: shop.webhook.url } },
  );
  const young = new Date().toISOString();
  const old = new Date(Date.now() - 4 * 24 * 60 * MINUTE_MS).toISOString();
  const attempt = (id: number, guid: string, o: { event?: string; status_code?: number; at?: string } = {}) =>
    github.attempts.push({
      id,
      guid,
      event: o.event ?? 'push',
      status_code: o.status_code ?? 502,
      delivered_at: o.at ?? young,
    });
  for (let tries = 0; tries < 3; tries++) attempt(20 + tries, 'hopeless');
  attempt(10, 'lost-push');
  attempt(13, 'no-news', { event: 'star' });
  attempt(14, 'arrived-at-last');
  attempt(15, 'arrived-at-last', { status_code: 202 });
  attempt(16, body.items[0].id);
  attempt(11, 'lost-request', { event: 'pull_request', status_code: 0 });
  attempt(12, 'lost-but-old', { at: old });
  for (let tries = 0; tries < 4; tries++) attempt(30 + tries, `older-${tries}`, { at: old });

  await here.services.lookout.look();
  later = 10;
  await here.services.lookout.look();
  const asked = github.told.map(({ path }) => path).filter((path) => path.startsWith('/hooks'));
  expect(asked).toEqual(['/hooks/2/deliveries/10/attempts', '/hooks/2/deliveries/11/attempts']);

  // What has failed since: GitHub's limit is waited for, and then only what is new is looked through.
  github.told.length = 0;
  const minutesOn = (minutes: number) => new Date(real() + minutes * MINUTE_MS).toISOString();
  github.attempts.splice(0);
  attempt(41, 'lost-later', { at: minutesOn(15) });
  attempt(40, 'lost-long-before', { at: minutesOn(-120) });
  github.faults.push({ status: 403, headers: { 'retry-after': '1200' } });
  for (later of [20, 30]) await here.services.lookout.look();
  expect(github.told).toEqual([]);
  later = 50;
  await here.services.lookout.look();
  expect(github.told.map(({ path }) => path)).toEqual(['/hooks/2/deliveries/41/attempts']);
});

test('a token that may not see webhooks keeps nobody from looking', async () => {
  await using github = await GithubApiServer.start('another/repository');
  await using here = await ServerHere.start(github.env);
  const real = here.services.now;
  let later = 0;
  here.services.now = () => real() + later * MINUTE_MS;
  const shop = await here.project('shop', { '.reprise.yml': PIPELINE });
  await here.planned('shop', await here.push(shop, shop.head));
  const lookLater = async (minutes: number) => {
    later += minutes;
    await here.services.lookout.look();
  };
  await lookLater(0);
  await lookLater(10);
  const head = shop.repository.commit('Nobody says it', { a: '1' });
  await lookLater(10);
  await lookLater(3);
  const { body } = await here.admin('GET', '/api/projects/shop/builds/latest');
  expect(body).toMatchObject({ number: 2, commit: head });
  const said = here.logLines.filter(({ msg }) => String(msg).startsWith('GitHub does not show the webhook'));
  expect(said).toHaveLength(1);
});
