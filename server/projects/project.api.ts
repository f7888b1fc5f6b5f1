import { STATUSES } from '@reprise/pipelines/status.ts';
import { z } from 'zod';
import { listOf } from '../api.ts';
import { roleSchema } from '../auth/account.api.ts';
import { retentionRulesSchema } from '../retention/retention.api.ts';

/** Names of projects, jobs, artifacts and environments. */
export const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
export const NAME_RULE = 'must begin with a-z or 0-9, followed by at most 62 of a-z 0-9 . _ -';

const name = z.string().regex(NAME, NAME_RULE);
const github = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,38}\/[A-Za-z0-9._-]{1,100}$/, 'must be owner/name as GitHub writes it');
const branch = z.string().min(1).max(255);
/** A token is printable ASCII without spaces at every forge. */
const token = z
  .string()
  .regex(/^[\x21-\x7e]{1,4096}$/, 'must be a token: printable characters without spaces');

const credential = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('token'), token }).describe('Read access over HTTPS. Never shown again.'),
  z
    .strictObject({ kind: z.literal('deploy-key') })
    .describe('Makes a new SSH key; its public half is answered.'),
  z.strictObject({ kind: z.literal('none') }),
]);
export type GivenCredential = z.infer<typeof credential>;

export const newProjectSchema = z.strictObject({
  name,
  cloneUrl: z.string().min(1),
  github: github.optional(),
  defaultBranch: branch.optional(),
  credential: credential.optional(),
});
export type NewProject = z.infer<typeof newProjectSchema>;

export const projectChangeSchema = z.strictObject({
  cloneUrl: z.string().min(1).optional(),
  github: github.nullable().optional(),
  defaultBranch: branch.nullable().optional(),
  credential: credential.optional(),
  public: z.boolean().optional().describe('Whether anybody may see its badge.'),
  retention: retentionRulesSchema
    .nullable()
    .optional()
    .describe("What is kept of its builds; null: the instance's rules."),
});
export type ProjectChange = z.infer<typeof projectChangeSchema>;

const instant = z.iso.datetime();

export const latestBuildSchema = z
  .object({
    number: z.number().int(),
    status: z.enum(STATUSES),
    why: z.string(),
    commit: z.string(),
    ref: z.string(),
    branch: z.string().nullable(),
    tag: z.string().nullable(),
    message: z.string(),
    version: z.string().nullable(),
    queuedAt: instant,
    startedAt: instant.nullable(),
    finishedAt: instant.nullable(),
  })
  .meta({ id: 'LatestBuild' });

/** How far back branches and recent builds are looked for. */
export const LOOKED_BACK = 200;

export const projectSchema = z
  .object({
    name,
    cloneUrl: z.string(),
    github: z.string().nullable(),
    defaultBranch: z.string().nullable().describe('null until it is given or learnt from the first fetch.'),
    credential: z.enum(['none', 'token', 'deploy-key']),
    createdAt: instant,
    webhook: z.object({
      url: z.string().describe('What to enter at GitHub.'),
      secret: z
        .string()
        .optional()
        .describe('Answered once: when the project is made or the secret rotated.'),
    }),
    deployKey: z.object({ publicKey: z.string() }).optional(),
    public: z.boolean().describe('Anybody may see its badge.'),
    role: roleSchema.describe("The caller's in this project."),
    latestBuild: latestBuildSchema.nullable().describe('The newest that its filters did not skip.'),
    branches: z
      .array(z.object({ branch: z.string(), build: latestBuildSchema }))
      .describe(
        `The latest build of each branch among the last ${LOOKED_BACK} builds: the default branch's first, then the newest; at most 8.`,
      ),
    recent: z
      .array(
        z.object({
          number: z.number().int(),
          status: z.enum(STATUSES),
          durationMs: z.number().int().nullable().describe('From its start to its end; null before that.'),
          queuedAt: instant,
        }),
      )
      .describe('The last 30 builds, the oldest first.'),
    schedules: z
      .array(
        z.object({
          cron: z.string(),
          timezone: z.string(),
          branch: z.string().nullable().describe('null: the default branch.'),
          nextAt: instant.nullable().describe('null: never again.'),
          lastBuild: z.number().int().nullable().describe('The build it last led to.'),
          why: z.string().describe('Why the last run that was due led to no build, else empty.'),
        }),
      )
      .describe('What is built by the clock, the next first.'),
    lastDeliveryAt: instant.nullable().describe('null: GitHub has not delivered anything yet.'),
  })
  .meta({ id: 'Project' });
export type ProjectAnswer = z.infer<typeof projectSchema>;

export const projectListSchema = listOf(projectSchema);

const buildsOfCommit = z
  .array(z.object({ number: z.number().int(), status: z.enum(STATUSES) }))
  .describe("The commit's builds, newest first.");

export const refsSchema = z.object({
  items: z.array(
    z
      .object({
        name: z.string(),
        kind: z.enum(['branch', 'tag']),
        ref: z.string(),
        commit: z.string(),
        at: instant,
        builds: buildsOfCommit,
      })
      .meta({ id: 'Ref' }),
  ),
  next: z.null(),
  stale: z
    .string()
    .nullable()
    .describe('Why this is what was last fetched, where the upstream could not be asked.'),
});
export type ListedRefs = z.infer<typeof refsSchema>;
export type ListedRef = ListedRefs['items'][number];

export const commitsSchema = z.object({
  items: z.array(
    z
      .object({
        sha: z.string(),
        subject: z.string(),
        author: z.string(),
        at: instant,
        builds: buildsOfCommit,
      })
      .meta({ id: 'Commit' }),
  ),
  next: z.string().nullable(),
  stale: z
    .string()
    .nullable()
    .describe('Why this is what was last fetched, where the upstream could not be asked.'),
});
export type ListedCommits = z.infer<typeof commitsSchema>;
export type ListedCommit = ListedCommits['items'][number];

export const pipelineSchema = z
  .object({
    ref: z.string().describe('The default branch unless another was asked for.'),
    commit: z.string().nullable().describe('null: nothing of that name was fetched yet.'),
    found: z.boolean().describe('Whether that commit has a pipeline file.'),
    problems: z.array(z.object({ line: z.number().int(), column: z.number().int(), message: z.string() })),
    app: z
      .object({
        description: z.string().optional(),
        owner: z.string().optional(),
        databases: z.array(z.string()).optional(),
        links: z.record(z.string(), z.string()).optional(),
      })
      .nullable()
      .describe('null: there is no usable file.'),
    environments: z.array(
      z.object({
        name: z.string(),
        url: z.string().nullable(),
        path: z.string(),
        hosts: z.array(z.string()),
        requires: z.array(z.string()),
        approvals: z.number().int(),
      }),
    ),
    jobs: z.array(z.object({ name: z.string(), needs: z.array(z.string()), runsOn: z.array(z.string()) })),
  })
  .meta({ id: 'ProjectPipeline' });
export type ProjectPipeline = z.infer<typeof pipelineSchema>;
