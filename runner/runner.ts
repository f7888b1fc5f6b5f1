import { type Client, Unanswered } from './client.ts';
import { randomId } from './data-dir.ts';
import { Job, type JobTools } from './job.ts';
import { Lease } from './lease.ts';
import type { Link } from './link.ts';
import type { Assignment } from './protocol.ts';
import type { Slot } from './sandbox/sandbox.ts';
import { paths } from './wire.ts';

export interface RunnerOptions {
  instance: string;
  client: Client;
  link: Link;
  slots: readonly Slot[];
  tools: JobTools;
  /** Resolves when there is disk enough for another job. */
  room(signal: AbortSignal): Promise<void>;
}

/** Claim ids known beforehand per slot, so that every renewal can name those that may overtake it on their way. */
const IDS_AHEAD = 32;
const IDS_LIMIT = 256;

/**
 * Keeps every slot busy: one claim per free slot, and one lease for all attempts. Whatever the server does not answer is asked
 * again; what runs goes on meanwhile.
 */
export class Runner {
  readonly #o: RunnerOptions;
  readonly #jobs = new Map<string, Job>();
  readonly #claimIds: string[][];
  readonly #lease: Lease;
  /** Ends the claims: the runner takes no more work. */
  readonly #draining = new AbortController();

  constructor(options: RunnerOptions) {
    this.#o = options;
    const ahead = Math.max(1, Math.min(IDS_AHEAD, Math.floor(IDS_LIMIT / options.slots.length)));
    this.#claimIds = options.slots.map(() => Array.from({ length: ahead }, randomId));
    this.#lease = new Lease({
      instance: options.instance,
      client: options.client,
      link: options.link,
      times: options.tools.times,
      holding: () => [...this.#jobs.values()].map(({ attempt, fence }) => ({ attempt, fence })),
      // A claim that was answered just as it was given up is then lost at once, and not for as long as the draining takes.
      claiming: () => (this.#draining.signal.aborted ? [] : this.#claimIds.flat()),
      onCancel: (attempt) => this.#jobs.get(attempt)?.cancel(),
      onRevoked: (attempt) => this.#jobs.get(attempt)?.abandon('the server gave the attempt up'),
      onFenced: (why) => {
        // One that was given meanwhile has a lease of its own.
        const heldSince = performance.now() - options.tools.times.fenceMs;
        for (const job of this.#jobs.values()) if (job.askedAt <= heldSince) job.isolate(why);
      },
    });
  }

  /** Resolves when the runner has been drained. Rejects with `Refused` when the server does not want it any more. */
  async run(): Promise<void> {
    const ending = new AbortController();
    const serving = this.#o.slots.map((slot, index) => this.#serve(slot, index));
    const served = Promise.allSettled(serving).finally(() => ending.abort());
    try {
      await Promise.all([this.#lease.keep(ending.signal), ...serving]);
    } catch (error) {
      this.stop('the server does not want this runner any more');
      await served;
      throw error;
    }
    await this.#lease.farewell();
  }

  /** Takes no more jobs, finishes those that run. */
  drain(): void {
    this.#draining.abort(new Error('draining'));
  }

  /** Ends everything at once; the server hears that its attempts are held no more. */
  stop(why: string): void {
    this.drain();
    for (const job of this.#jobs.values()) job.abandon(why);
  }

  async #serve(slot: Slot, index: number): Promise<void> {
    const { signal } = this.#draining;
    const ids = this.#claimIds[index] ?? [];
    const backoff = this.#o.link.backoff();
    while (!signal.aborted) {
      try {
        await this.#o.room(signal);
        // After a failure the same claim is asked again: if only its answer was lost, the job is not.
        const askedAt = performance.now();
        const assignment = await this.#claim(ids[0] ?? '');
        this.#o.link.heard();
        backoff.reset();
        if (assignment) await this.#perform(assignment, { slot, askedAt });
        ids.shift();
        ids.push(randomId());
      } catch (error) {
        await this.#o.link.recover(error, backoff, signal);
      }
    }
  }

  async #claim(claimId: string): Promise<Assignment | null> {
    const { claimWaitMs, renewMs } = this.#o.tools.times;
    const { json, status } = await this.#o.client.ask({
      method: 'POST',
      path: paths.claim,
      json: { instance: this.#o.instance, claimId },
      // Longer than it should stand: then the connection is dead.
      idleMs: claimWaitMs + renewMs,
      signal: this.#draining.signal,
    });
    if (status === 204) return null;
    if (isAssignment(json)) return json;
    throw new Unanswered('the claim was answered with something that is no assignment');
  }

  async #perform(assignment: Assignment, o: { slot: Slot; askedAt: number }): Promise<void> {
    const job = new Job(assignment, { ...o, tools: this.#o.tools });
    this.#jobs.set(job.attempt, job);
    try {
      await job.run();
    } finally {
      this.#jobs.delete(job.attempt);
    }
  }
}

function isAssignment(json: unknown): json is Assignment {
  const it = json as Partial<Assignment> | undefined;
  return (
    [it?.attempt, it?.fence, it?.commit, it?.project, it?.keepRef].every(
      (text) => typeof text === 'string',
    ) && [it?.job?.steps, it?.tags, it?.inputs].every(Array.isArray)
  );
}
