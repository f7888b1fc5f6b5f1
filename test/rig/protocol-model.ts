import { combine, type Status } from '@reprise/pipelines/status.ts';

/** What a runner or a person may do next, with small numbers that pick who and what. */
export type Message =
  | { kind: 'claim'; runner: number; claimId: number }
  | { kind: 'progress'; attempt: number; runner: number; fence: boolean }
  | { kind: 'finish'; attempt: number; runner: number; fence: boolean; status: Result; variant: number }
  | { kind: 'renew'; runner: number; keep: boolean }
  | { kind: 'expire' }
  | { kind: 'cancel' };

export type Result = 'passed' | 'failed' | 'errored' | 'cancelled';

interface ModelJob {
  name: string;
  needs: string | null;
  status: Status;
  lost: number;
  retries: number;
}

export interface ModelAttempt {
  job: ModelJob;
  number: number;
  runner: number;
  claimId: number;
  over: boolean;
  cancelAsked: boolean;
  result: string | null;
}

/**
 * What the protocol promises, in the plainest words: a build of two jobs, the second needing the first, and the status with
 * which each message is answered. It knows nothing of databases, leases or requests.
 */
export class ProtocolModel {
  readonly jobs: ModelJob[];
  readonly attempts: ModelAttempt[] = [];

  constructor(retries: number) {
    this.jobs = [
      { name: 'first', needs: null, status: 'queued', lost: 0, retries },
      { name: 'second', needs: 'first', status: 'queued', lost: 0, retries: 0 },
    ];
  }

  /** The HTTP status that the message deserves; a claim that gets something 200, otherwise 204. */
  tell(message: Message): number {
    switch (message.kind) {
      case 'claim':
        return this.#claim(message);
      case 'progress':
        return this.#refusal(message) ?? (this.#about(message)?.over ? 409 : 204);
      case 'finish':
        return this.#refusal(message) ?? this.#finish(message);
      case 'renew':
        if (!message.keep) for (const attempt of this.running(message.runner)) this.#end(attempt, 'lost');
        return 200;
      case 'expire':
        for (const attempt of this.running()) this.#end(attempt, 'lost');
        return 200;
      case 'cancel':
        for (const attempt of this.running()) attempt.cancelAsked = true;
        return 200;
      default:
        return message satisfies never;
    }
  }

  running(runner?: number): ModelAttempt[] {
    return this.attempts.filter((attempt) => !attempt.over && (runner ?? attempt.runner) === attempt.runner);
  }

  get build(): Status {
    return combine(this.jobs.map(({ status }) => status));
  }

  #claim({ runner, claimId }: { runner: number; claimId: number }): number {
    const before = this.attempts.find((attempt) => attempt.runner === runner && attempt.claimId === claimId);
    if (before) return before.over ? 204 : 200;
    const job = this.jobs.find(
      ({ status, needs }) =>
        status === 'queued' &&
        (needs === null || this.jobs.find(({ name }) => name === needs)?.status === 'passed'),
    );
    if (!job) return 204;
    job.status = 'running';
    const number = this.attempts.filter((attempt) => attempt.job === job).length + 1;
    this.attempts.push({ job, number, runner, claimId, over: false, cancelAsked: false, result: null });
    return 200;
  }

  #about({ attempt }: { attempt: number }): ModelAttempt | undefined {
    return this.attempts[attempt % this.attempts.length];
  }

  #refusal(message: { attempt: number; runner: number; fence: boolean }): number | null {
    const attempt = this.#about(message);
    if (!attempt) return 409;
    if (attempt.runner !== message.runner) return 403;
    return message.fence ? null : 409;
  }

  #finish(message: Message & { kind: 'finish' }): number {
    const attempt = this.#about(message);
    const result = `${message.status} ${message.variant}`;
    if (!attempt || (attempt.over && attempt.result !== result)) return 409;
    if (attempt.over) return 200;
    attempt.result = result;
    this.#end(attempt, message.status);
    return 200;
  }

  #end(attempt: ModelAttempt, how: Result | 'lost'): void {
    attempt.over = true;
    const { job } = attempt;
    if (how === 'passed') job.status = 'passed';
    else if (how === 'failed') {
      const again = job.retries > 0 && !attempt.cancelAsked;
      if (again) job.retries -= 1;
      job.status = again ? 'queued' : 'failed';
    } else if (attempt.cancelAsked) job.status = 'cancelled';
    else {
      job.lost += 1;
      job.status = job.lost < 2 ? 'queued' : 'errored';
    }
    for (const other of this.jobs) {
      const ended = ['failed', 'errored', 'cancelled'].includes(job.status);
      if (other.needs === job.name && ended) other.status = 'skipped';
    }
  }
}
