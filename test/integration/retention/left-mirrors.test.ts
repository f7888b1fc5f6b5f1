import { cpSync, existsSync, rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ServerHere } from '../../rig/server-here.ts';

const FILES = { '.reprise.yml': 'version: 1\njobs: {a: {steps: [{run: "true"}]}}\n' };

test('the mirror of a project that was removed at another server goes; of none that is known, none', async () => {
  await using here = await ServerHere.start();
  const { services } = here;
  for (const name of ['stays', 'goes']) {
    const project = await here.project(name, FILES);
    await here.planned(name, await here.push(project, project.head));
  }
  const rows = await services.db.selectFrom('projects').select(['id', 'name']).execute();
  const [stays = '', goes = ''] = ['stays', 'goes'].map((wanted) =>
    services.mirrors.directory(rows.find(({ name }) => name === wanted) ?? { id: '' }),
  );
  // Each server has its own; who removes the project, its own only.
  cpSync(goes, `${here.path('elsewhere')}`, { recursive: true });
  await here.admin('POST', '/api/projects/goes/builds/1/cancel', {});
  expect(await here.admin('DELETE', '/api/projects/goes')).toMatchObject({ status: 204 });
  expect(existsSync(goes)).toBe(false);
  cpSync(here.path('elsewhere'), goes, { recursive: true });
  cpSync(here.path('elsewhere'), `${goes}.damaged`, { recursive: true });

  await services.retention.sweep();
  expect([goes, `${goes}.damaged`, stays].map((path) => existsSync(path))).toEqual([false, false, true]);

  cpSync(here.path('elsewhere'), goes, { recursive: true });
  rmSync(stays, { recursive: true });
  await services.retention.sweep();
  expect(existsSync(goes)).toBe(true);
});
