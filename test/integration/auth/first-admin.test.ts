import { firstAdminLink } from '@reprise/server/auth/link.ts';
import { expect, test } from 'vitest';
import { addUser, cookieOf, enter, keyOf, PASSWORD, post } from '../../rig/accounts.ts';
import { filesWith } from '../../rig/canary.ts';
import { startReprise } from '../../rig/process.ts';
import { type Body, ServerHere } from '../../rig/server-here.ts';
import { tempDir } from '../../rig/temp.ts';

test('each start prints, second, a link for the first administrator until there is one; it is kept nowhere', async () => {
  using dir = tempDir();
  const env = { REPRISE_PORT: '0', REPRISE_DATA_DIR: dir.join('data') };
  const start = async () => {
    const server = startReprise(['server'], env);
    await server.line(/"msg":"ready"/);
    const lines = server.output().split('\n');
    const printed = lines.filter((line) => !line.startsWith('{'));
    const address = printed[0]?.replace('Reprise listening on ', '') ?? '';
    return { server, lines, printed, address };
  };

  const first = await start();
  await first.server.stop();
  const second = await start();
  expect(second.printed).toHaveLength(2);
  const url = second.printed[1]?.replace('Make the first administrator: ', '') ?? '';
  expect(url).toMatch(new RegExp(`^${second.address}/welcome#rpl_[\\w-]{43}$`));
  const key = keyOf({ url });
  expect(second.lines.filter((line) => line.includes(key))).toHaveLength(1);
  expect(filesWith(dir.join('data'), [key])).toEqual([]);

  const old = keyOf({ url: first.printed[1]?.replace('Make the first administrator: ', '') ?? '' });
  const refused = await post(second.address, { link: old, login: 'eve', password: PASSWORD });
  expect([refused.status, await refused.json()]).toMatchObject([410, { code: 'link-gone' }]);
  const ada = await enter(second.address, { link: key, login: 'ada', password: PASSWORD, name: 'Ada' });
  const { body } = await ada.call('GET', '/api/users');
  expect(body.items).toMatchObject([{ login: 'ada', name: 'Ada', role: 'admin', state: 'active' }]);
  await second.server.stop();

  const third = await start();
  expect(third.printed).toEqual([`Reprise listening on ${third.address}`]);
  await third.server.stop();
});

test('of fifty who use the link at once, one becomes the administrator', async () => {
  await using here = await ServerHere.start();
  const link = keyOf({ url: (await firstAdminLink(here.services)) ?? '' });
  const tries = await Promise.all(
    Array.from({ length: 50 }, (_, at) => post(here, { link, login: `admin-${at}`, password: PASSWORD })),
  );
  const statuses = tries.map(({ status }) => status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  expect(statuses.filter((status) => status === 410)).toHaveLength(49);
  expect(tries.filter((response) => cookieOf(response) !== '')).toHaveLength(1);
  const { body } = await here.admin('GET', '/api/users');
  expect(body.items).toMatchObject([{ role: 'admin' }]);
  expect(await firstAdminLink(here.services)).toBeNull();
});

test('the link is good for a day, and void once there is an administrator by another way', async () => {
  await using here = await ServerHere.start();
  const begin = Date.now();
  const link = keyOf({ url: (await firstAdminLink(here.services)) ?? '' });
  const given = { link, login: 'eve', password: PASSWORD };
  here.services.now = () => begin + 24 * 3_600_000 + 60_000;
  expect((await post(here, given)).status).toBe(410);
  here.services.now = Date.now;
  const invited = await addUser(here, { login: 'ada', role: 'admin' });
  expect(await firstAdminLink(here.services)).not.toBeNull();
  const fresh = keyOf({ url: (await firstAdminLink(here.services)) ?? '' });
  await enter(here, { link: keyOf(invited), password: PASSWORD });
  expect((await post(here, { ...given, link: fresh })).status).toBe(410);
});

test.each([
  [{}, 'login'],
  [{ login: 'ada' }, 'password'],
  [{ login: 'Ada Example', password: PASSWORD }, 'login'],
  [{ login: 'ada', password: 'elevenchars' }, 'password'],
])('what is missing or wrong leaves the link good: %j', async (given, field) => {
  await using here = await ServerHere.start();
  const link = keyOf({ url: (await firstAdminLink(here.services)) ?? '' });
  const response = await post(here, { link, ...given });
  const problem = (await response.json()) as Body;
  expect([response.status, problem.code, problem.errors[0].field]).toEqual([400, 'bad-request', field]);
  await enter(here, { link, login: 'ada', password: PASSWORD });
});

test('what a link would do is told without using it up', async () => {
  await using here = await ServerHere.start();
  const ask = async (link: string) => {
    const response = await fetch(`${here.address}/api/session/link`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ link }),
    });
    return [response.status, await response.json()];
  };
  const link = keyOf({ url: (await firstAdminLink(here.services)) ?? '' });
  expect(await ask(link)).toEqual([200, { kind: 'first-admin', login: null }]);
  const invited = keyOf(await addUser(here, { login: 'grace', role: 'viewer' }));
  expect(await ask(invited)).toEqual([200, { kind: 'password', login: 'grace' }]);
  expect(await ask('rpl_of-my-own-making')).toMatchObject([410, { code: 'link-gone' }]);
  await enter(here, { link: invited, password: PASSWORD });
});
