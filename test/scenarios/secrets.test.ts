import { expect, test } from 'vitest';
import { filesWith } from '../rig/canary.ts';
import { Rig } from '../rig/reprise.ts';

const VALUE = 's3cret/value+with "quotes" and more';

/** Shows a value in every way that tools do, and whether a variable is there at all. */
const SHOW = [
  'printf "%s\\n" "plain:$DEPLOY_TOKEN"',
  'printf "base64:"; printf "%s" "x$DEPLOY_TOKEN" | base64 -w0; echo',
  'printf "hex:"; printf "%s" "$DEPLOY_TOKEN" | od -An -tx1 | tr -d " \\n"; echo',
  'for i in 1 2 3 4 5; do printf "%s" "$DEPLOY_TOKEN" | cut -c1-10 | tr -d "\\n"; printf "%s" "$DEPLOY_TOKEN" | cut -c11-; done',
].join('\n');

const PIPELINE = JSON.stringify({
  version: 1,
  jobs: {
    test: {
      steps: [
        { name: 'names it', run: SHOW, secrets: ['DEPLOY_TOKEN'] },
        {
          name: 'does not',
          run: 'test -z "$DEPLOY_TOKEN" && echo not there; ! grep -az DEPLOY_TOKEN /proc/*/environ',
        },
      ],
    },
  },
});

test('a secret reaches the steps that name it, and no log, other step or file of ours', async () => {
  await using rig = await Rig.start();
  const runner = await rig.startRunner('one');
  const project = await rig.project('shop', { '.reprise.yml': PIPELINE });
  await rig.api('PUT', '/api/projects/shop/secrets/DEPLOY_TOKEN', { value: VALUE });

  const number = await rig.push(project, project.head);
  const build = await rig.ended('shop', number);
  expect(build).toMatchObject({ status: 'passed' });
  const log = await rig.log('shop', number, 'test');
  expect(log).toContain('plain:***');
  expect(log).toContain('hex:***');
  expect(log).toContain('not there');
  const encoded = [
    VALUE,
    Buffer.from(VALUE).toString('hex'),
    Buffer.from(`x${VALUE}`).toString('base64').slice(4, 40),
  ];
  for (const text of encoded) expect(log).not.toContain(text);
  expect(rig.server.output()).not.toContain(VALUE);
  expect(runner.output()).not.toContain(VALUE);
  await runner.stop();
  expect(filesWith(rig.path('data'), encoded)).toEqual([]);
  expect(filesWith(rig.path('runner-one'), encoded)).toEqual([]);
});

test('a job whose secret is not set fails before it runs, and says who can set it', async () => {
  await using rig = await Rig.start();
  await rig.startRunner('one');
  const project = await rig.project('shop', { '.reprise.yml': PIPELINE });
  const build = await rig.ended('shop', await rig.push(project, project.head));
  expect(build.status).toBe('failed');
  expect(build.why).toContain('it needs DEPLOY_TOKEN, which project shop does not have');
  expect(build.jobs[0]?.steps.map(({ status }) => status)).toEqual(['failed', 'skipped']);
});
