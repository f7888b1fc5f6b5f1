import { z } from 'zod';
import { cron, timezone } from './cron.ts';
import { environment } from './environment.schema.ts';
import { job } from './job.schema.ts';
import { list, mapOf, name, oneLine, oneOrMore, pattern, section, text } from './values.ts';
import { env } from './variables.ts';

const EVENTS = ['push', 'pull_request'] as const;

const MOST_PATTERNS = 64;

const EVENT_RULE = 'must be push, pull_request, a list of them, or a map with filters';

export const push = section('a map with branches, tags or paths', {
  branches: oneOrMore(pattern, 'a branch pattern', MOST_PATTERNS)
    .describe('Branches that are built.')
    .optional(),
  tags: oneOrMore(pattern, 'a tag pattern', MOST_PATTERNS).describe('Tags that are built.').optional(),
  paths: oneOrMore(pattern, 'a path pattern', MOST_PATTERNS)
    .describe('A changed file must match. Not asked for tags.')
    .optional(),
});

export const pullRequest = section('a map with branches or paths', {
  branches: oneOrMore(pattern, 'a branch pattern', MOST_PATTERNS)
    .describe('Of the branch it is to go into.')
    .optional(),
  paths: oneOrMore(pattern, 'a path pattern', MOST_PATTERNS)
    .describe('A changed file must match.')
    .optional(),
});

export const schedule = section('a schedule such as { cron: "0 3 * * *", branch: main }', {
  cron: cron.describe('When: minute, hour, day of the month, month, weekday.'),
  timezone: timezone.describe('Whose clock cron means. Default: UTC.').optional(),
  branch: text(255).describe('Whose head is built. Default: the default branch.').optional(),
});

export const onMap = section(EVENT_RULE, {
  push: push.nullable().optional(),
  pull_request: pullRequest.nullable().optional(),
  schedule: z
    .array(schedule, { error: 'must be a list of schedules, such as - { cron: "0 3 * * *", branch: main }' })
    .min(1, 'must not be an empty list; leave it out instead')
    .max(64, 'must hold at most 64 schedules')
    .optional(),
});

/** A schedule says when, so it cannot be a mere word. */
const eventError =
  (rule: string) =>
  ({ input }: { input?: unknown }) =>
    input === 'schedule' ? 'names schedule, which needs a map: schedule: [{ cron: "0 3 * * *" }]' : rule;

const event = z.enum(EVENTS, { error: eventError('must be push or pull_request') });

export const app = section('a map with description, owner, databases or links', {
  description: text(2000).optional(),
  owner: text(200).describe('Who to ask.').optional(),
  databases: oneOrMore(text(500), 'the address of a database').optional(),
  links: mapOf({
    key: oneLine(100),
    value: text(2000).regex(/^(?:https?:\/\/|mailto:)\S+$/i, 'must be an http, https or mailto address'),
    what: 'names to addresses',
    most: 64,
  }).optional(),
});

const SUPERSEDED_RULE = 'must be queued, running, or a map with builds and default-branch';

const superseded = z.enum(['queued', 'running'], { error: 'must be queued or running' });

export const cancelSuperseded = section(SUPERSEDED_RULE, {
  builds: superseded.describe('queued: older builds that have not begun. running: those that run, too.'),
  'default-branch': z
    .boolean({ error: 'must be true or false' })
    .describe('Whether it holds on the default branch, too. Default: false.')
    .optional(),
});

const VERSION_RULE = 'must be 1, the only version of the language there is';

/** The shape of a pipeline file as it is written; what must hold between its parts is in `check.ts`. */
export const pipelineFile = section('a map that begins with "version: 1" and has jobs', {
  version: z.literal(1, { error: VERSION_RULE }).describe('The version of this language.'),
  app: app.describe("Day-to-day documentation, shown on the project's page.").optional(),
  on: z
    .union([event, list(event, 'push or pull_request'), onMap], { error: eventError(EVENT_RULE) })
    .describe('What starts builds. Default: every push and tag, and pull requests.')
    .optional(),
  'cancel-superseded': z
    .union([superseded, cancelSuperseded], { error: SUPERSEDED_RULE })
    .describe('Which older builds of its branch or pull request a push cancels. Default: none.')
    .optional(),
  env: env.optional(),
  jobs: mapOf({ key: name, value: job, what: 'names to jobs', least: 1, most: 256 }).describe(
    'What is done, each job in its own workspace.',
  ),
  environments: mapOf({ key: name, value: environment, what: 'names to environments', most: 64 })
    .describe('Where artifacts can be promoted to.')
    .optional(),
});

/** A pipeline file whose shape is right, as it was written. */
export type PipelineFile = z.infer<typeof pipelineFile>;
export type JobFile = z.infer<typeof job>;
