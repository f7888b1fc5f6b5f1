import { z } from 'zod';
import {
  duration,
  insideGlob,
  insidePath,
  name,
  oneLine,
  oneOrMore,
  script,
  section,
  wholeNumber,
} from './values.ts';
import { env, secretName } from './variables.ts';

const network = z
  .enum(['egress', 'none'], { error: 'must be egress or none' })
  .describe('egress: out to the world, never to the host. none: nowhere.');

const secrets = oneOrMore(secretName, 'the name of a secret', 64);

const timeout = duration('1s', '24h');

const workingDirectory = insidePath.describe('A folder of the repository in which commands start.');

const COMMAND = /^[A-Za-z0-9_./+=:,@%-]+(?: [A-Za-z0-9_./+=:,@%-]+)*$/;
const COMMAND_RULE = 'must be a program and its options, separated by single spaces, such as python3 -u';

export const step = section('a step such as { run: npm ci }', {
  name: oneLine(200).describe('Shown for the step. Default: the first line of run.').optional(),
  run: script('a script').describe('A script: bash -eo pipefail where bash exists, else sh -e.'),
  env: env.optional(),
  timeout: timeout.describe('The step fails after this long. Default: only the job is bounded.').optional(),
  'working-directory': workingDirectory.optional(),
  shell: z
    .string({ error: COMMAND_RULE })
    .max(200, COMMAND_RULE)
    .regex(COMMAND, COMMAND_RULE)
    .describe('The program that runs the script; it is given the path of the script as its last argument.')
    .optional(),
  network: network.optional(),
  secrets: secrets.describe('Secrets of the project that the step sees as variables.').optional(),
});

export const artifact = section('an artifact such as { name: shop, paths: [dist] }', {
  name: name.describe('The first part of the file name, <name>-<version>.tar.gz. Unique in the file.'),
  paths: oneOrMore(insideGlob, 'a path or a glob').describe('What is packed, relative to the repository.'),
  exclude: oneOrMore(insideGlob, 'a path or a glob').describe('What of it is left out.').optional(),
});

const group = oneLine(200);

export const concurrency = section('a group such as docs, or a map with group and limit', {
  group: group.describe(
    'Its name, which may hold expressions. Jobs of the project with the same group share it.',
  ),
  limit: wholeNumber(1, 100).describe('How many of them run at once. Default: 1.').optional(),
});

export const job = section('a job, a map with steps', {
  name: oneLine(200).describe('Shown for the job. Default: its key.').optional(),
  'runs-on': oneOrMore(name, 'a label of a runner', 16)
    .describe('A runner must have all of these labels. Default: linux.')
    .optional(),
  needs: oneOrMore(name, 'the name of another job').describe('Jobs that must have passed first.').optional(),
  env: env.optional(),
  timeout: timeout.describe('The job fails after this long. Default: 60m.').optional(),
  steps: z
    .array(step, { error: 'must be a list of steps, such as - run: npm ci' })
    .min(1, 'must hold at least one step')
    .max(256, 'must hold at most 256 steps')
    .describe('Commands, one after the other, in one workspace. The first that fails ends the job.'),
  artifact: artifact.describe('What the job makes: packed and kept once it has passed.').optional(),
  artifacts: z
    .array(artifact, { error: 'must be a list of artifacts; for a single one write artifact' })
    .min(1, 'must not be an empty list; leave it out instead')
    .max(64, 'must hold at most 64 artifacts')
    .describe('Where a job makes more than one.')
    .optional(),
  inputs: oneOrMore(name, 'the name of an artifact of a needed job', 64)
    .describe('Artifacts of needed jobs, unpacked into the workspace before the first step.')
    .optional(),
  network: network.optional(),
  secrets: secrets.describe('Secrets of the project that every step sees as variables.').optional(),
  'working-directory': workingDirectory.optional(),
  concurrency: z
    .union([group, concurrency], { error: 'must be a group such as docs, or a map with group and limit' })
    .describe('A group of which only so many jobs run at once.')
    .optional(),
  priority: wholeNumber(-100, 100)
    .describe('Of jobs that wait for the same runners, those with more go first. Default: 0.')
    .optional(),
  retry: wholeNumber(0, 2).describe('How often the job is tried again when it fails. Default: 0.').optional(),
});
