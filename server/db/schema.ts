/**
 * Every table and column. Instants are milliseconds since 1970 (integers, `…_at`), booleans 0 or 1, JSON is text: the same
 * values on every engine. Ids are random lower-case base-36 text (`newId`), except where a row's order matters (`seq`).
 */
import type { FinalStatus, Status } from '@reprise/pipelines/status.ts';
import type { Generated, Insertable, Selectable } from 'kysely';
import type { Role } from '../auth/role.ts';

export interface Database {
  projects: ProjectTable;
  deliveries: DeliveryTable;
  builds: BuildTable;
  jobs: JobTable;
  attempts: AttemptTable;
  steps: StepTable;
  artifacts: ArtifactTable;
  runners: RunnerTable;
  users: UserTable;
  memberships: MembershipTable;
  sessions: SessionTable;
  tokens: TokenTable;
  links: LinkTable;
  audit: AuditTable;
  secrets: SecretTable;
  host_keys: HostKeyTable;
  policies: PolicyTable;
  promotions: PromotionTable;
  approvals: ApprovalTable;
  deployments: DeploymentTable;
  deployment_records: DeploymentRecordTable;
  host_states: HostStateTable;
  logs: LogTable;
  log_chunks: LogChunkTable;
  servers: ServerTable;
  holds: HoldTable;
  installation: InstallationTable;
  removals: RemovalTable;
  bundles: BundleTable;
  bundled_commits: BundledCommitTable;
  lookouts: LookoutTable;
  schedules: ScheduleTable;
  schedule_heads: ScheduleHeadTable;
  tries: TryTable;
  retired_tokens: RetiredTokenTable;
}

export interface ProjectTable {
  id: string;
  name: string;
  clone_url: string;
  /** `owner/name` as GitHub writes it, or null. Compared without case. */
  github: string | null;
  /** null until given or learnt from the first fetch. */
  default_branch: string | null;
  /** Sealed (`server/vault.ts`), as is `credential`. */
  webhook_secret: string;
  credential_kind: 'none' | 'token' | 'deploy-key';
  credential: string | null;
  /** The deploy key's public half, OpenSSH format. */
  public_key: string | null;
  last_build_number: number;
  created_at: number;
  /** 1: its badge is answered to anybody. */
  public: Generated<number>;
  /** Its own rules, JSON (`retention/retention.api.ts`); null: the instance's. */
  retention: string | null;
  /** Builds that ended, were measured and still hold what they made, and their bytes. */
  held_builds: Generated<number>;
  held_bytes: Generated<number>;
}

export interface DeliveryTable {
  /** Order of arrival. */
  seq: Generated<number>;
  id: string;
  project_id: string;
  /** `X-GitHub-Delivery`; unique within a project. */
  guid: string;
  event: string;
  action: string | null;
  ref: string | null;
  before_sha: string | null;
  after_sha: string | null;
  /** What was made of it when no build was: a sentence. */
  ignored: string | null;
  /** The trigger read from the payload (`webhooks/event.ts`), JSON; null where it was ignored. */
  trigger: string | null;
  /** JSON number[]: the builds it led to; more than one where it was run again by hand. Twins name the same build. */
  builds: Generated<string>;
  sender: string | null;
  received_at: number;
}

export type TriggerKind = 'push' | 'tag' | 'pull_request' | 'schedule' | 'manual' | 'rebuild';

export interface BuildTable {
  /** Order over all projects. */
  seq: Generated<number>;
  id: string;
  project_id: string;
  number: number;
  status: Status;
  why: string;
  /** Full object name of the commit; for an annotated tag the commit it points at. */
  commit_sha: string;
  /** Full ref (`refs/heads/…`, `refs/tags/…`, `refs/pull/7/head`); empty when built by sha. */
  ref: string;
  branch: string | null;
  tag: string | null;
  /** JSON `{number, fork, head, base}` or null. */
  pull_request: string | null;
  message: string;
  author_name: string;
  author_email: string;
  trigger_kind: TriggerKind;
  trigger_by: string;
  trigger_reason: string;
  delivery_id: string | null;
  /** The number (same project) of the build that this one rebuilds. */
  rebuild_of: number | null;
  /** Asked for by hand: the ref whose pipeline file is to be used. */
  pipeline_ref: string | null;
  /** Commits and paths for filters, JSON; null where not known (manual). */
  changed_paths: string | null;
  /** Known after planning. */
  version: string | null;
  commit_time: number | null;
  /** `commit` or where else the pipeline file was read: `branch main (1a2b3c4…)`. */
  pipeline_from: string | null;
  /** The recorded plan (`pipelines/model.ts` Plan), JSON; null until planned. */
  plan: string | null;
  /** sha256 of the plan, to compare builds of the same commit with the same plan. */
  plan_sha256: string | null;
  /** `{name, object}[]`, JSON: the tags that led to the commit when it was planned. */
  tags: string | null;
  /** 1: a fork's, needs a yes before its jobs are queued. */
  needs_approval: number;
  approved_by: string | null;
  approved_at: number | null;
  cancelled_by: string | null;
  /** The number (same project) of the newer build of its branch that cancelled it. */
  superseded_by: number | null;
  queued_at: number;
  planned_at: number | null;
  started_at: number | null;
  finished_at: number | null;
  /** Counts the changes of this build, its jobs, attempts and artifacts. */
  revision: number;
  /** The status that GitHub was told last, empty before the first; null: it is told nothing. */
  github_told: string | null;
  /** Bytes of its artifacts and logs, as of `measured_at`; null: it has not ended since that was looked at. */
  held_bytes: Generated<number>;
  measured_at: number | null;
  /** Kept whatever the rules say; null: it is not. */
  pinned_at: number | null;
  pinned_by: Generated<string>;
  pinned_reason: Generated<string>;
  /** Its logs and artifacts were removed by retention, because of `removed_why`; null: they were not. */
  removed_at: number | null;
  removed_why: Generated<string>;
  /** From when on its commit is to be put into a bundle of the storage; null: one has it (`server/bundles`). */
  bundle_due_at: Generated<number | null>;
}

export interface JobTable {
  /** The queue's order. */
  seq: Generated<number>;
  id: string;
  build_id: string;
  position: number;
  name: string;
  status: Status;
  why: string;
  /** JSON string[] of names. */
  needs: string;
  /** JSON string[], sorted: what a runner must have. */
  runs_on: string;
  /** The `PlannedJob`, JSON; null for the job `pipeline` of a build without a plan. */
  spec: string | null;
  /** 1 while queued and every need has passed: may be claimed. */
  ready: number;
  /** The latest attempt's number, 0 before the first. */
  attempt: number;
  /** Attempts lost to a runner or to Reprise so far; one is forgiven. */
  lost_attempts: number;
  /** Failed attempts that the file's `retry` still forgives. */
  retries_left: number;
  queued_at: number;
  started_at: number | null;
  finished_at: number | null;
  /** Those with more are taken first. */
  priority: Generated<number>;
  /** As `queue/group.ts` writes it; empty: it is in none. */
  concurrency_group: Generated<string>;
  /** How many of the group may run at once. */
  concurrency_limit: Generated<number>;
  /** Since when `ready` is 1, or was last. */
  ready_at: number | null;
  /** Set: not a job of the build's pipeline, but the deployment of one of its artifacts. */
  deployment_id: string | null;
}

export interface AttemptTable {
  id: string;
  job_id: string;
  number: number;
  status: 'running' | FinalStatus;
  why: string;
  runner_id: string | null;
  runner_name: string;
  instance: string;
  claim_id: string;
  fence: string;
  /** sha256 of the token with which the mirror is fetched. */
  git_token_hash: string;
  lease_expires_at: number;
  /** A person asked to end it. */
  cancel_requested: number;
  claimed_at: number;
  finished_at: number | null;
  log_size: number;
  log_sha256: string | null;
  toolchain: string | null;
  /** sha256 of the accepted finish request: its identical repeat is answered 200. */
  finish_sha256: string | null;
}

export interface StepTable {
  attempt_id: string;
  position: number;
  name: string;
  status: Status;
  exit_code: number | null;
  started_at: number | null;
  finished_at: number | null;
  log_offset: number | null;
}

export interface ArtifactTable {
  id: string;
  build_id: string;
  job_id: string;
  attempt_id: string;
  name: string;
  file_name: string;
  sha256: string;
  tree_sha256: string;
  manifest_sha256: string;
  size: number;
  created_at: number;
}

export interface RunnerTable {
  id: string;
  name: string;
  /** JSON string[]. */
  labels: string;
  token_hash: string;
  /** 1: started by the server itself. */
  embedded: number;
  /** 1: it came by itself, with the registration secret (`server/runners/register.ts`). */
  registered: Generated<number>;
  /** The name of who added it; empty: it came by itself, is the server's own, or nobody remembers. */
  added_by: Generated<string>;
  draining: number;
  instance: string | null;
  version: string | null;
  sandbox: string | null;
  toolchain: string | null;
  capacity: number;
  created_at: number;
  last_seen_at: number | null;
  /** JSON string[]: ids of the builds whose attempts broke on it since it last ended one well. */
  broken: Generated<string>;
  /** When the last of them did. */
  broken_at: number | null;
  /** null: it is not put aside (`quarantine.ts`). */
  aside_since: number | null;
  /** How often in a row: it is tried with one job a while after `broken_at`, which is longer each time. */
  aside_times: Generated<number>;
  aside_why: Generated<string>;
}

export interface UserTable {
  id: string;
  /** Lower case. */
  login: string;
  name: string;
  /** argon2id in PHC string format; null: invited, or signs in by GitHub only. */
  password: string | null;
  /** The GitHub login that may sign in as this user; unique without case. */
  github: string | null;
  /** GitHub's number of that account, kept when it first signs in: a login can change hands. */
  github_id: number | null;
  /** In every project and over the instance; null: only as a member of projects. */
  role: Role | null;
  disabled: number;
  created_at: number;
  last_seen_at: number | null;
}

export interface MembershipTable {
  user_id: string;
  project_id: string;
  role: Role;
}

/** A signed-in browser. What the cookie holds is kept as its sha256 (hex) only; so with tokens and links. */
export interface SessionTable {
  id: string;
  key_hash: string;
  user_id: string;
  user_agent: string;
  address: string;
  created_at: number;
  last_seen_at: number;
  expires_at: number;
}

/** An API token. */
export interface TokenTable {
  id: string;
  key_hash: string;
  user_id: string;
  /** null: wherever its owner may. */
  project_id: string | null;
  name: string;
  /** The most it may, within its owner's rights. */
  role: Role;
  created_at: number;
  last_used_at: number | null;
  /** null: never. */
  expires_at: number | null;
}

/** A one-time link. Using it deletes it. */
export interface LinkTable {
  key_hash: string;
  /** `first-admin`: makes the first administrator. `password`: lets a user choose a password. `session`: signs a user in. */
  kind: 'first-admin' | 'password' | 'session';
  user_id: string | null;
  expires_at: number;
}

/** Append-only: who did what to what, when and why. Each entry's hash covers the one before it. */
export interface AuditTable {
  /** 1, 2, 3 … without gaps. */
  seq: number;
  at: number;
  actor: string;
  via: string;
  action: string;
  /** By name: it outlives the project. */
  project: string | null;
  subject: string;
  reason: string;
  /** JSON object. */
  detail: string;
  previous_hash: string;
  hash: string;
}

export interface SecretTable {
  project_id: string;
  /** Empty: of builds; else of deployments to that environment. */
  environment: string;
  /** Also the environment variable that holds it. */
  name: string;
  /** Sealed (`server/vault.ts`). */
  value: string;
  /** Of an SSH key that was made here, OpenSSH format. */
  public_key: string | null;
  /** 0: too short to be masked in logs. */
  masked: number;
  updated_by: string;
  updated_at: number;
}

/** Which keys a host has, confirmed by a person: nothing is sent to a host that shows another. */
export interface HostKeyTable {
  project_id: string;
  /** As in the pipeline file: `user@host` with an optional `:port`. */
  host: string;
  /** JSON string[]: type and key, `ssh-ed25519 AAAA…`. */
  keys: string;
  pinned_by: string;
  pinned_at: number;
}

/** What an administrator demands of an environment, which the pipeline file may only tighten. */
export interface PolicyTable {
  project_id: string;
  environment: string;
  /** JSON (`environments/policy.api.ts`). */
  rules: string;
  updated_by: string;
  updated_at: number;
}

export type PromotionKind = 'promote' | 'rollback' | 'converge';
export type PromotionState = 'waiting' | 'approved' | 'rejected' | 'void' | 'done';

/** The decision to let an artifact into an environment. */
export interface PromotionTable {
  seq: Generated<number>;
  id: string;
  project_id: string;
  environment: string;
  kind: PromotionKind;
  build_id: string;
  artifact_id: string;
  /** The artifact's, once more: what was approved. */
  sha256: string;
  /** The environment as it is deployed to, JSON (`pipelines/model.ts` Environment). */
  config: string;
  /** The commit whose pipeline file says so. */
  config_commit: string;
  /** sha256 over digest, environment and configuration: what an approval is given for. */
  bound_sha256: string;
  /** A rollback's target, JSON `{release, digests}` by host; null: deploys the artifact. */
  rollback_to: string | null;
  /** A rollback or a converge: the promotion that first brought this artifact there. */
  repeats: string | null;
  /** 1: it was asked for although it is older than what is live. */
  confirm_older: Generated<number>;
  asked_by: string;
  asked_via: string;
  asked_by_user: string | null;
  reason: string;
  approvals_needed: number;
  state: PromotionState;
  why: string;
  created_at: number;
  decided_at: number | null;
}

export interface ApprovalTable {
  promotion_id: string;
  /** The user's id, or `operator`: one approval each. */
  approver: string;
  by: string;
  via: string;
  comment: string;
  bound_sha256: string;
  at: number;
}

/** The execution of a promotion on its hosts; at most one of an environment is not over. */
export interface DeploymentTable {
  seq: Generated<number>;
  id: string;
  project_id: string;
  environment: string;
  kind: 'deploy' | 'rollback' | 'probe';
  promotion_id: string;
  /** UTC YYYYMMDDHHMMSS as proposed; what was made is in the result. */
  release: string;
  status: Status;
  why: string;
  /** JSON `DeployResult` (runner/protocol.ts); null: none was reported. */
  result: string | null;
  queued_at: number;
  started_at: number | null;
  finished_at: number | null;
  /** As of builds. */
  github_told: string | null;
  /** GitHub's number of this deployment. */
  github_id: number | null;
}

/** What was about to be done on a host, or was done: JSON `HostRecord`. */
export interface DeploymentRecordTable {
  deployment_id: string;
  seq: number;
  record: string;
  at: number;
}

/** What is on a host of an environment, by the last deployment or the last look. */
export interface HostStateTable {
  project_id: string;
  environment: string;
  host: string;
  /** What put the live release there; null: not Reprise. */
  promotion_id: string | null;
  /** null: nothing is live. */
  release: string | null;
  digest: string | null;
  healthy: number | null;
  since: number | null;
  /** 0: the last deployment was lost or the host did not answer, so only looking tells. */
  is_known: number;
  /** JSON `HostProbe`. */
  probe: string | null;
  probed_at: number | null;
}

/** Bytes that no record leads to any more: removed when due, unless one does again by then (`retention/removals.ts`). */
export interface RemovalTable {
  store: 'blobs' | 'logs' | 'pins';
  /** A blob's sha256; an attempt's id; `<project>/<commit>`. */
  key: string;
  /** Negative: since then, without the sign, some server is removing it. */
  due_at: number;
}

/**
 * A git bundle of pinned commits in the storage. A project's are built one upon the other in the order of their numbers: what a
 * bundle lacks of its commits' history is in those before it.
 */
export interface BundleTable {
  project_id: string;
  number: number;
  /** Its blob. */
  sha256: string;
  size: number;
  made_at: number;
  /** When it was found that its blob is missing or has other bytes; null: it was not. */
  damaged_at: number | null;
}

/** A pinned commit of which everything is in the bundles up to this one. */
export interface BundledCommitTable {
  project_id: string;
  commit_sha: string;
  bundle: number;
}

/** When a project's upstream is looked at next for what no webhook announced, and what it had. */
export interface LookoutTable {
  project_id: string;
  due_at: number;
  /** JSON (`lookout/compare.ts` Remembered). */
  remembered: string;
}

export type Project = Selectable<ProjectTable>;
export type Delivery = Selectable<DeliveryTable>;
export type Build = Selectable<BuildTable>;
export type NewBuild = Insertable<BuildTable>;
export type Job = Selectable<JobTable>;
export type Attempt = Selectable<AttemptTable>;
export type Step = Selectable<StepTable>;
export type Artifact = Selectable<ArtifactTable>;
export type Runner = Selectable<RunnerTable>;
export type User = Selectable<UserTable>;
export type SecretRow = Selectable<SecretTable>;
export type Promotion = Selectable<PromotionTable>;
export type Approval = Selectable<ApprovalTable>;
export type Deployment = Selectable<DeploymentTable>;
export type HostState = Selectable<HostStateTable>;
export type AuditRow = Selectable<AuditTable>;

/** A log that several servers share (`server/logs/shared-logs.ts`); one whose server keeps it in a file has no row. */
export interface LogTable {
  attempt_id: string;
  size: number;
  newlines: number;
  ends_in_newline: number;
  changed_at: number;
  /** 1: its bytes are in the storage, not in `log_chunks`. */
  stored: number;
  /** Of a stored one. */
  sha256: string | null;
  /** When a server last set out to store it; 0: none has. */
  tried_at: number;
}

/** A piece of a running log, of 64 KiB at most: a record of its index together with the bytes that follow. */
export interface LogChunkTable {
  attempt_id: string;
  /** Offset of its first byte. */
  start: number;
  /** Newlines before it. */
  newlines: number;
  at: number;
  bytes: Buffer;
}

/** A server that works on this database, or did: each says every few seconds that it is there. */
export interface ServerTable {
  /** Kept in its data directory. */
  id: string;
  host: string;
  started_at: number;
  seen_at: number;
  /** JSON: digests of the addresses of what it shares, by the names of the settings; none of a server of an early version. */
  engines: Generated<string>;
}

/** What one server at a time does for all (`server/servers/holds.ts`). */
export interface HoldTable {
  name: string;
  /** The server's id. */
  holder: string;
  expires_at: number;
}

/** What must be the same for every server. */
export interface InstallationTable {
  name: 'key';
  value: string;
}

/** A schedule of the pipeline file at the head of a project's default branch. */
export interface ScheduleTable {
  project_id: string;
  /** Five fields. */
  cron: string;
  timezone: string;
  /** Empty: the default branch. */
  branch: string;
  /** The next run. Whoever moves it on makes the build. */
  due_at: number;
  /** The number of the build it last led to. */
  last_build: number | null;
  /** Why the last run that was due led to none; empty where it did. */
  obstacle: string;
}

/** Which commit of a project's default branch its schedules were read from last. */
export interface ScheduleHeadTable {
  project_id: string;
  commit_sha: string;
}

/** Failed tries, counted by what `server/auth/tries.ts` makes of who tried. */
export interface TryTable {
  key: string;
  count: number;
  /** When they are forgotten. */
  ends_at: number;
}

/** Tokens that runners registered with and that were removed: none of them registers again. */
export interface RetiredTokenTable {
  token_hash: string;
  runner_name: string;
  retired_at: number;
}
