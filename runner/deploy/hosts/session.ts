import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type Program, programBytes } from '../scripts/program.ts';

/**
 * How a program on a host ended. `lost`: the connection or the shell went away, so nobody knows how far it came; `late`: it was cut,
 * because its time was over; not `begun`: there was no connection, and nothing was done.
 */
export type Answer =
  | { kind: 'done'; said: Said }
  | { kind: 'refused'; why: string; said: Said; late?: boolean }
  | { kind: 'lost'; why: string; begun: boolean; late?: boolean };

export interface RunOptions {
  /** What the program takes from standard input. */
  input?: { file: string } | { text: string };
  timeoutMs: number;
  /** The program listens for the line `stop`, which a time-out then says first. */
  canStop?: boolean;
  /** How long it may then take to end. */
  stopMs?: number;
  /** What is written to the log, as it comes; no more is read until a promise has resolved. */
  output(bytes: Buffer): void | Promise<void>;
}

/** The results of a program by key; a key may come several times. */
export class Said {
  readonly #values: [string, string][];

  constructor(records: readonly string[]) {
    this.#values = records.map((record) => {
      const cut = record.indexOf('=');
      return [record.slice(0, cut), record.slice(cut + 1)];
    });
  }

  get(key: string): string | null {
    return this.#values.find(([name]) => name === key)?.[1] ?? null;
  }

  all(key: string): string[] {
    return this.#values.filter(([name]) => name === key).map(([, value]) => value);
  }
}

/** A manifest of a million files would have more; nothing else comes near. */
const MOST_RESULTS = 256 * 1024 * 1024;
/** How long a program that was asked to stop may take: ten seconds until it kills, and some. */
const STOP_MS = 15_000;
/** How long a reader may take to go, when a daemon that a command left holds its outputs open. */
const LEAVE_MS = 300;
const END = Buffer.from('\0end=\0');

/** A reader (`READER`) that was started, which is given one program after the other. */
export class Session implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #closed: Promise<void>;
  #hearing: { result(bytes: Buffer): void; log(bytes: Buffer): void | Promise<void> } | null = null;
  #isOpen = true;
  #fault: string | null = null;

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.#closed = new Promise((resolve) => {
      const leave = () => {
        this.#isOpen = false;
        resolve();
      };
      child.once('exit', () => {
        this.#isOpen = false;
      });
      child.once('close', leave);
      child.once('error', (error) => {
        this.#fault = error.message;
        leave();
      });
    });
    child.stdin.on('error', () => undefined);
    child.stdout.on('data', (bytes: Buffer) => this.#hearing?.result(bytes));
    // What a daemon writes that a command left is heard by whatever runs then, or by nobody.
    child.stderr.on('data', (bytes: Buffer) => {
      const taken = this.#hearing?.log(bytes);
      if (taken === undefined) return;
      child.stderr.pause();
      void taken.then(() => child.stderr.resume());
    });
  }

  /** Whether another program can be given to it. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * Gives it a program and listens until its last result and the end of its log. Never rejects. One at a time, and after one
   * with `input` no other.
   */
  async run(program: Program, options: RunOptions): Promise<Answer> {
    if (this.#hearing !== null) throw new Error('the session is still busy with another program');
    const mark = `reprise-${randomBytes(16).toString('hex')}`;
    const results: Buffer[] = [];
    let size = 0;
    let why: string | null = null;
    const said = Promise.withResolvers<void>();
    const log = new LogUntil(mark, options.output);
    this.#hearing = {
      result: (bytes) => {
        results.push(bytes);
        size += bytes.length;
        if (size > MOST_RESULTS) this.kill();
        if (Buffer.concat(results.slice(-END.length)).subarray(-END.length).equals(END)) said.resolve();
      },
      log: (bytes) => log.push(bytes),
    };
    const late = setTimeout(() => {
      why = `It took longer than ${seconds(options.timeoutMs)}.`;
      if (options.canStop) this.#child.stdin.write('stop\n');
      else this.kill();
    }, options.timeoutMs);
    const tooLate = setTimeout(() => this.kill(), options.timeoutMs + (options.stopMs ?? STOP_MS));
    void this.#give(programBytes(program, mark), options.input);
    await Promise.race([Promise.all([said.promise, log.ended]), this.#closed]);
    clearTimeout(late);
    clearTimeout(tooLate);
    this.#hearing = null;
    log.flush();
    return answer(Buffer.concat(results), mark, why ?? this.#fault);
  }

  /** Ends it in order; at once, when something that a program left still holds it. What was left on the host lives on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOpen = false;
    this.#child.stdin.destroy();
    const late = setTimeout(() => this.kill(), LEAVE_MS);
    await this.#closed;
    clearTimeout(late);
  }

  /** Ends it at once. */
  kill(): void {
    this.#isOpen = false;
    this.#child.kill('SIGKILL');
    this.#child.stdout.destroy();
    this.#child.stderr.destroy();
  }

  async #give(program: Buffer, input: RunOptions['input']): Promise<void> {
    const { stdin } = this.#child;
    stdin.write(program);
    if (input === undefined) return;
    if ('text' in input) stdin.end(input.text);
    else {
      try {
        await pipeline(createReadStream(input.file, { highWaterMark: 1024 * 1024 }), stdin);
      } catch {
        // The program ended before it had taken everything; its results, or their absence, say why.
      }
    }
  }
}

/** Passes a program's log on, until its end: a NUL and the mark. */
class LogUntil {
  readonly ended: Promise<void>;
  readonly #end: Buffer;
  readonly #output: RunOptions['output'];
  readonly #resolve: () => void;
  /** What may be the beginning of the end. */
  #held: Buffer = Buffer.alloc(0);

  constructor(mark: string, output: RunOptions['output']) {
    this.#end = Buffer.from(`\0${mark}`);
    this.#output = output;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#resolve = resolve;
  }

  push(bytes: Buffer): void | Promise<void> {
    const all = this.#held.length > 0 ? Buffer.concat([this.#held, bytes]) : bytes;
    const end = all.indexOf(this.#end);
    if (end >= 0) this.#resolve();
    const cut = end >= 0 ? end : this.#beginsAt(all);
    this.#held = end >= 0 ? Buffer.alloc(0) : Buffer.from(all.subarray(cut));
    return cut > 0 ? this.#output(all.subarray(0, cut)) : undefined;
  }

  /** For a program that did not come to its end. */
  flush(): void {
    if (this.#held.length > 0) void this.#output(this.#held);
  }

  #beginsAt(bytes: Buffer): number {
    const at = bytes.lastIndexOf(0);
    return at >= 0 && this.#end.subarray(0, bytes.length - at).equals(bytes.subarray(at)) ? at : bytes.length;
  }
}

function answer(results: Buffer, mark: string, why: string | null): Answer {
  const begin = results.indexOf(`${mark}\0`);
  const records = begin < 0 ? [] : results.toString('utf8', begin).split('\0').slice(1, -1);
  if (records.at(-1) !== 'end=') {
    return { kind: 'lost', why: why ?? 'The connection was lost.', begun: true, late: why !== null };
  }
  const said = new Said(records);
  const refusal = said.get('fail') ?? why;
  return refusal === null
    ? { kind: 'done', said }
    : { kind: 'refused', why: refusal, said, late: why !== null };
}

function seconds(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 100) / 10} s` : `${Math.round(ms / 60_000)} min`;
}
