import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { enter, keyOf, PASSWORD } from '../../rig/accounts.ts';
import { ADMIN_TOKEN } from '../../rig/reprise.ts';
import { ServerHere } from '../../rig/server-here.ts';

const COMMAND = fileURLToPath(new URL('../../../server/main.ts', import.meta.url));

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function reprise(args: string[], env: Record<string, string>): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const options = { env: { PATH: process.env['PATH'], ...env } };
  execFile(process.execPath, [COMMAND, ...args], options, (error, stdout, stderr) => {
    resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
  });
  return promise;
}

test('without a token the command says where to make one', async () => {
  const { code, stderr } = await reprise(['status'], { REPRISE_SERVER: 'http://ci.example.test' });
  expect(code).toBe(2);
  expect(stderr).toContain('http://ci.example.test/account');
});

test('users are added, listed and given a way back in with the operator’s token', async () => {
  await using here = await ServerHere.start();
  const env = { REPRISE_SERVER: here.address, REPRISE_ADMIN_TOKEN: ADMIN_TOKEN };
  const added = await reprise(['user', 'add', 'ada', '--name', 'Ada', '--role', 'admin', '--json'], env);
  expect(added).toMatchObject({ code: 0, stderr: '' });
  const made = JSON.parse(added.stdout);
  expect(made.user).toMatchObject({ login: 'ada', role: 'admin' });
  await enter(here, { link: keyOf(made.link), password: PASSWORD });

  const listed = await reprise(['user', 'list'], env);
  expect(listed.stdout).toMatch(/^LOGIN +NAME +ROLE .*\nada +Ada +admin .*active/);

  const linked = await reprise(['user', 'link', 'ada'], env);
  const [url = ''] = /http\S+/.exec(linked.stdout) ?? [];
  await enter(here, { link: keyOf({ url }), password: 'chosen once more' });
  await enter(here, { login: 'ada', password: 'chosen once more' });

  const absent = await reprise(['user', 'link', 'nobody'], env);
  expect(absent).toMatchObject({ code: 1, stderr: expect.stringContaining('"nobody"') });
  const unknownRole = await reprise(['user', 'add', 'grace', '--role', 'boss'], env);
  expect(unknownRole.code).toBe(1);
});
