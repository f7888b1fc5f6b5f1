import type { AttemptClient } from './attempt-client.ts';
import { JobLog } from './log.ts';
import { LogUpload } from './log-upload.ts';
import { ProgressReport } from './progress.ts';
import type { Assignment, Finish } from './protocol.ts';
import { StepList } from './step-list.ts';

/** A server that keeps finding the log different from what was sent cannot be satisfied. */
const FINISH_TRIES = 5;

export interface RecordOptions {
  assignment: Assignment;
  server: AttemptClient;
  /** The log's file. */
  file: string;
  secrets: readonly string[];
  /** Milliseconds since the claim. */
  now(): number;
  /** The server wants to hear no more of this attempt. */
  onRefused(error: unknown): void;
  onDiskFault(error: NodeJS.ErrnoException): void;
}

/** What is told about an attempt while it runs: its log and its steps' states, and their ways to the server. */
export class AttemptRecord {
  readonly log: JobLog;
  readonly steps: StepList;
  readonly #server: AttemptClient;
  readonly #upload: LogUpload;
  readonly #progress: ProgressReport;

  static async open(options: RecordOptions): Promise<AttemptRecord> {
    const { server, assignment, onRefused } = options;
    const log = await JobLog.open({
      file: options.file,
      limit: assignment.logLimit,
      secrets: options.secrets,
      onGrew: () => upload.grew(),
      onFault: options.onDiskFault,
    });
    const upload = new LogUpload(log, (offset, bytes) => server.appendLog(offset, bytes), onRefused);
    return new AttemptRecord(options, log, upload);
  }

  private constructor(options: RecordOptions, log: JobLog, upload: LogUpload) {
    const { server, assignment, onRefused } = options;
    this.log = log;
    this.#server = server;
    this.#upload = upload;
    this.#progress = new ProgressReport((state) => server.progress(state), onRefused);
    this.steps = new StepList(assignment.job.steps, {
      now: options.now,
      onChange: (states) => this.#progress.tell(states),
    });
  }

  /** A line of Reprise's own in the job's log. */
  say(line: string): void {
    this.log.say(`[reprise] ${line}`);
  }

  /** A new section begins: its first bytes are wanted at once. */
  hurry(): void {
    this.#upload.hurry();
  }

  /** Delivers the one result. The log goes first; where the server's copy turns out to differ, it is sent again. */
  async finish(result: Omit<Finish, 'steps' | 'logSize' | 'logSha256'>): Promise<void> {
    this.#progress.stop();
    const { size, sha256 } = await this.log.end();
    await this.#upload.complete();
    for (let tries = 1; tries <= FINISH_TRIES; tries += 1) {
      const from = await this.#server.finish({
        ...result,
        steps: this.steps.all,
        logSize: size,
        logSha256: sha256,
      });
      if (from === null) return;
      await this.#upload.complete(from);
    }
    throw new Error('the server keeps finding the log different from what was sent');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#progress.stop();
    this.#upload.stop();
    await this.log.close();
  }
}
