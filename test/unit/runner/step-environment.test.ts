import { addLegacy, NO_LEGACY, stepEnvironment } from '@reprise/runner/step-environment.ts';
import { expect, test } from 'vitest';
import { plannedJob } from '../../rig/protocol-server.ts';

const job = plannedJob({ env: { JOB: 'job', BOTH: 'job' } }, [{ env: { JOB: 'job', BOTH: 'step' } }]);
const [step] = job.steps;
const environment = (o: object) =>
  stepEnvironment({
    passThrough: {},
    path: '/usr/bin',
    facts: {},
    job,
    step: step ?? plannedJob({}, ['true']).steps[0] ?? (null as never),
    legacy: NO_LEGACY,
    secrets: {},
    ...o,
  });

test.each([
  [
    'what the operator lets through loses against facts',
    { passThrough: { CI: 'no' }, facts: { CI: 'true' } },
    { CI: 'true' },
  ],
  [
    'HOME and PATH are not the operator’s',
    { passThrough: { HOME: '/root' } },
    { HOME: '/home/build', PATH: '/usr/bin' },
  ],
  [
    'a step’s own value wins over what earlier steps left',
    { legacy: { env: { BOTH: 'left' }, path: [] } },
    { BOTH: 'step' },
  ],
  [
    'what earlier steps left wins over the job’s',
    { legacy: { env: { JOB: 'left' }, path: [] } },
    { JOB: 'left' },
  ],
  ['the last path goes first', { legacy: { env: {}, path: ['/a', '/b'] } }, { PATH: '/b:/a:/usr/bin' }],
])('%s', (_, given, expected) => {
  expect(environment(given)).toMatchObject(expected);
});

test('what steps leave adds up', () => {
  const first = { env: { A: '1', B: '1' }, path: ['/a'] };
  const second = { env: { B: '2' }, path: ['/b'] };
  expect(addLegacy(first, second)).toEqual({ env: { A: '1', B: '2' }, path: ['/a', '/b'] });
});

test('a step sees the secrets that it names, and no other, whatever else is called like them', () => {
  const [named] = plannedJob({ env: { KEY: 'of the job' } }, [{ secrets: ['KEY'] }]).steps;
  const env = environment({ step: named, secrets: { KEY: 'value', OTHER: 'not named' } });
  expect(env['KEY']).toBe('value');
  expect(env).not.toHaveProperty('OTHER');
});
