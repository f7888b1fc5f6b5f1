/**
 * What a valid pipeline file means, and the plan made of it: plain data without functions, recorded with a build as
 * JSON, sent to runners and replayed by a rebuild. All durations are milliseconds.
 */

/** Where a step's packets may go: out to the world but never to the host's loopback (`egress`), or nowhere (`none`). */
export type Network = 'egress' | 'none';

/**
 * What starts builds, in the globs of `glob.ts`; a leading `!` excludes. An event that is `null` starts nothing; a list
 * that is `null` does not filter.
 */
export interface Triggers {
  push: { branches: string[] | null; tags: string[] | null; paths: string[] | null } | null;
  pullRequest: { branches: string[] | null; paths: string[] | null } | null;
  schedules: Schedule[];
}

/** When a branch is built by the clock. */
export interface Schedule {
  /** Five fields. */
  cron: string;
  /** Of the IANA database; `UTC` unless given. */
  timezone: string;
  /** `null`: the default branch. */
  branch: string | null;
}

/** Which older builds of the same branch or pull request a newer one cancels: those that have not begun, or all. */
export interface CancelSuperseded {
  builds: 'queued' | 'running';
  defaultBranch: boolean;
}

/** Day-to-day documentation of the application, as written under `app:`. */
export interface App {
  description?: string;
  owner?: string;
  databases?: string[];
  links?: Record<string, string>;
}

/** A named place to deploy to, as written under `environments:`, with defaults filled in. */
export interface Environment {
  name: string;
  url: string | null;
  path: string;
  /** `local`, or `user@host` with an optional `:port`. */
  hosts: string[];
  keep: number;
  /** Paths linked from `shared/`; a trailing slash means a directory. */
  shared: string[];
  prepare: { run: string; on: 'first' | 'all' }[];
  restart: string | null;
  health: { http: string | null; run: string | null; timeoutMs: number } | null;
  requires: string[];
  approvals: number;
  /** Hosts switched at a time; `null`: all at once. With HAProxy it is 1 unless the file says otherwise. */
  batch: number | null;
  /** Patterns of the branches whose artifacts may go there, as in a trigger; `null`: all. */
  branches: string[] | null;
  /** Only what a rebuild has made again byte for byte. */
  reproducible: 'required' | null;
  /** Times in which nothing may go there. */
  freeze: FreezeWindow[];
  haproxy: Haproxy | null;
  /** Names of the secrets that its commands see. */
  secrets: string[];
  /** `user@host` with an optional `:port`, through which its hosts are reached. */
  jump: string | null;
}

/** One time, or one that comes again and again; instants are ISO 8601 in UTC. */
export type FreezeWindow = { reason: string | null } & (
  | { from: string; to: string }
  | { cron: string; durationMs: number }
);

/** The load balancers that are told before a host is switched and after it is healthy. */
export interface Haproxy {
  /** `tcp://host:port` or a path, as the runner reaches them. */
  sockets: string[];
  backend: string;
  /** What a host is called there, with the placeholders of `serverName` in `hosts.ts`. */
  server: string;
}

export interface Pipeline {
  version: 1;
  app: App;
  on: Triggers;
  /** `null`: none. */
  cancelSuperseded: CancelSuperseded | null;
  env: Record<string, string>;
  /** In the file's order. */
  jobs: JobDefinition[];
  environments: Environment[];
}

export interface JobDefinition {
  /** The job's key, unique in the file. */
  name: string;
  /** What people are shown instead, where the file gives the job a `name`. */
  title?: string;
  runsOn: string[];
  needs: string[];
  env: Record<string, string>;
  timeoutMs: number;
  /** How often a *failed* job is tried again by itself: 0 to 2. (A lost runner has its own second attempt.) */
  retry: number;
  /** Relative to the workspace; `null`: the workspace itself. */
  workingDirectory: string | null;
  network: Network;
  steps: StepDefinition[];
  artifacts: ArtifactDefinition[];
  /** Names of artifacts of needed jobs that are unpacked into the workspace before the first step. */
  inputs: string[];
  /** Names of the project's secrets that every step sees. Left out: none. */
  secrets?: string[];
  /** At most `limit` jobs of the project that name the group run at once. Left out: it is in none. */
  concurrency?: { group: string; limit: number };
  /** From -100 to 100; more goes first. Left out: 0. */
  priority?: number;
}

export interface StepDefinition {
  name: string;
  run: string;
  env: Record<string, string>;
  /** `null`: bounded by the job's time-out only. */
  timeoutMs: number | null;
  /** `null`: the job's. In a plan the job's is filled in, so that `null` is the workspace itself. */
  workingDirectory: string | null;
  /** `null`: `bash -eo pipefail` where bash exists, else `sh -e`. Otherwise a command that is given the script's path. */
  shell: string | null;
  /** `null`: the job's. */
  network: Network | null;
  /** Names of the project's secrets that the step sees; in a plan with the job's. Left out: none. */
  secrets?: string[];
}

export interface ArtifactDefinition {
  name: string;
  /** Files, directories or globs relative to the workspace. */
  paths: string[];
  exclude: string[];
}

/** A pipeline resolved for one build: expressions replaced, environments merged, jobs in an order their needs allow. */
export interface Plan {
  version: 1;
  jobs: PlannedJob[];
  /** Left out: it cancels none. */
  cancelSuperseded?: CancelSuperseded;
}

/** A job ready to be executed. `env` holds the file's, the job's and (per step) the step's values, resolved. */
export interface PlannedJob extends Omit<JobDefinition, 'steps'> {
  steps: PlannedStep[];
}

export interface PlannedStep extends Omit<StepDefinition, 'network'> {
  network: Network;
}

/** The facts of a build that `${{ … }}` and the steps' `REPRISE_…` variables are made from. */
export interface BuildFacts {
  project: string;
  number: number;
  url: string;
  /** Full 40-digit object name. */
  commit: string;
  /** The full ref, such as `refs/heads/main`; the empty string when built by sha. */
  ref: string;
  /** Empty for tags and pull requests. */
  branch: string;
  tag: string;
  /** The pull request's number as text, or empty. */
  pullRequest: string;
  version: string;
  /** The commit's committer time, seconds since 1970. */
  sourceDateEpoch: number;
}
