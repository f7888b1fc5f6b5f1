import type { Logger } from 'pino';
import { AttemptClient } from './attempt-client.ts';
import { type AttemptDirectory, makeAttemptDirectory } from './attempt-directory.ts';
import { FetchFailed } from './checkout/fetch-refs.ts';
import type { Mirrors } from './checkout/mirrors.ts';
import { type Client, Refused } from './client.ts';
import type { Assignment, Finish, Toolchain } from './protocol.ts';
import { AttemptRecord } from './record.ts';
import { removeTree } from './remove-tree.ts';
import type { Sandbox, Slot } from './sandbox/sandbox.ts';
import { CheckoutFailed } from './step.ts';
import { type Stop, stopVerdict, type Verdict } from './verdict.ts';
import type { ProtocolTimes } from './wire.ts';
import { work } from './work.ts';

/** What jobs of one runner share. */
export interface JobTools {
  client: Client;
  sandbox: Sandbox;
  mirrors: Mirrors;
  /** Directory of the attempts' directories. */
  attempts: string;
  toolchain: Toolchain;
  times: ProtocolTimes;
  /** 1, or what a test divides times by. */
  timeScale: number;
  mounts: readonly string[];
  passThrough: Readonly<Record<string, string>>;
  path: string;
  /** Values of the runner's own that no log may show. */
  secrets: readonly string[];
  log: Logger;
}

/** What is reported of a job. */
type Done = Pick<Finish, 'artifacts' | 'deployment'> & { verdict: Verdict };

/** setTimeout's longest. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** One claimed attempt, from the claim to the last trace of it on this machine. */
export class Job {
  readonly attempt: string;
  readonly fence: string;
  /** When it was asked for, on the monotonic clock: no later than its lease began. */
  readonly askedAt: number;
  readonly #assignment: Assignment;
  readonly #tools: JobTools;
  readonly #slot: Slot;
  readonly #log: Logger;
  readonly #claimedAt = performance.now();
  /** Ends the work: steps, git, packing. Its reason is a `Stop`. */
  readonly #stop = new AbortController();
  /** Ends also what is reported about it. */
  readonly #abandoned = new AbortController();
  #isReporting = false;

  constructor(assignment: Assignment, o: { slot: Slot; askedAt: number; tools: JobTools }) {
    const { attempt, project, build, job } = assignment;
    const { slot, tools } = o;
    this.askedAt = o.askedAt;
    this.attempt = attempt;
    this.fence = assignment.fence;
    this.#assignment = assignment;
    this.#slot = slot;
    this.#tools = tools;
    this.#log = tools.log.child({ project, build, job: job.name, attempt });
  }

  /** TERM to the step, KILL after the grace; then the job is finished as cancelled. */
  cancel(): void {
    this.#stop.abort({ kind: 'cancelled' } satisfies Stop);
  }

  /** Kills the sandbox; nothing more is said about the attempt. */
  abandon(why: string): void {
    this.#abandoned.abort(new Error(why));
    this.#stop.abort({ kind: 'abandoned', why } satisfies Stop);
  }

  /**
   * No renewal was answered for too long, so the server may give the attempt to another runner: no process of it may live on
   * here. A result that is already being delivered stays: the server decides whether it comes too late.
   */
  isolate(why: string): void {
    if (!this.#isReporting) this.abandon(why);
  }

  /** Everything from the workspace to the delivered result. Never rejects: what goes wrong ends the job as errored. */
  async run(): Promise<void> {
    const { timeoutMs } = this.#assignment.job;
    const timedOut: Stop = { kind: 'timed-out', afterMs: timeoutMs };
    const timer = setTimeout(() => this.#stop.abort(timedOut), Math.min(timeoutMs, LONGEST_TIMER));
    this.#log.info('job claimed');
    try {
      const status = await this.#perform();
      this.#log.info({ status, ms: Math.round(this.#elapsed()) }, 'job finished');
    } catch (error) {
      const { signal } = this.#abandoned;
      if (signal.aborted) this.#log.warn(`job abandoned: ${signal.reason.message}`);
      else if (error instanceof Refused)
        this.#log.warn(`job abandoned, its report refused: ${error.message}`);
      else this.#log.error({ err: error }, 'the job could not be reported');
    } finally {
      clearTimeout(timer);
    }
  }

  async #perform(): Promise<Verdict['status']> {
    const { attempts, mirrors, client, secrets, timeScale, toolchain } = this.#tools;
    const { project, gitToken } = this.#assignment;
    const directory = makeAttemptDirectory(attempts, this.attempt, this.#slot.owner);
    mirrors.hold(project);
    try {
      const signal = this.#abandoned.signal;
      const server = new AttemptClient(client, this.#assignment, { signal, timeScale });
      await using record = await AttemptRecord.open({
        assignment: this.#assignment,
        server,
        file: directory.log,
        secrets: [...secrets, gitToken, ...Object.values(this.#assignment.secrets)],
        now: () => this.#elapsed(),
        onRefused: (error) => this.abandon((error as Error).message),
        onDiskFault: (error) => this.#stop.abort({ kind: 'broken', why: inWords(error) } satisfies Stop),
      });
      const { verdict, artifacts, deployment } = await this.#work(directory, record, server);
      record.steps.skipRest();
      if (verdict.status !== 'passed') record.say(verdict.why);
      this.#isReporting = true;
      await record.finish({ ...verdict, artifacts, deployment, toolchain, elapsedMs: this.#elapsed() });
      return verdict.status;
    } finally {
      mirrors.release(project);
      // Not waited for: the place is free for the next job.
      void removeTree(directory.path).catch((error) =>
        this.#log.error({ err: error }, 'workspace left behind'),
      );
    }
  }

  async #work(directory: AttemptDirectory, record: AttemptRecord, server: AttemptClient): Promise<Done> {
    const passed: Verdict = { status: 'passed', why: '' };
    const { deployment } = this.#assignment;
    try {
      if (deployment) {
        const { carryOut } = await import('./deploy/carry-out.ts');
        const signal = this.#stop.signal;
        const { verdict, result } = await carryOut({
          deployment,
          directory: directory.path,
          record,
          server,
          signal,
        });
        this.#abandoned.signal.throwIfAborted();
        return { verdict: verdict ?? passed, artifacts: [], deployment: result };
      }
      const { verdict, artifacts } = await work({
        ...this.#tools,
        assignment: this.#assignment,
        directory,
        record,
        server,
        slot: this.#slot,
        signal: this.#stop.signal,
        // Nobody waits for the good manners of what is no longer ours.
        killGraceMs: () => (this.#abandoned.signal.aborted ? 0 : this.#tools.times.killGraceMs),
      });
      this.#abandoned.signal.throwIfAborted();
      const ended = verdict ?? this.#stopped();
      return { verdict: ended ?? passed, artifacts: ended ? [] : artifacts, deployment: null };
    } catch (error) {
      if (this.#abandoned.signal.aborted || error instanceof Refused) throw error;
      return { verdict: this.#stopped() ?? this.#broken(error), artifacts: [], deployment: null };
    }
  }

  #stopped(): Verdict | null {
    return this.#stop.signal.aborted ? stopVerdict(this.#stop.signal.reason as Stop) : null;
  }

  #broken(error: unknown): Verdict {
    if (!(error instanceof FetchFailed || error instanceof CheckoutFailed))
      this.#log.error({ err: error }, 'the job broke');
    return { status: 'errored', why: inWords(error as NodeJS.ErrnoException) };
  }

  #elapsed(): number {
    return performance.now() - this.#claimedAt;
  }
}

function inWords(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOSPC' || error.code === 'EDQUOT')
    return "no space is left on the runner's disk: free some, or let its jobs write less";
  return error.message;
}
