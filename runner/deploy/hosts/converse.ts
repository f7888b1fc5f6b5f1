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

export interface ConverseOptions {
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
/** How long what was written last may be under way, when a daemon that a command left holds the log open. */
const TAIL_MS = 300;
const END = Buffer.from('\0end=\0');

/**
 * Gives a program to a reader that has just been started (`READER`), and listens until its last result. Never rejects. The
 * process is gone or killed when it resolves; what the program left behind on the host lives on.
 */
export async function converse(
  child: ChildProcessWithoutNullStreams,
  program: Program,
  options: ConverseOptions,
): Promise<Answer> {
  const mark = `reprise-${randomBytes(16).toString('hex')}`;
  const results: Buffer[] = [];
  let size = 0;
  let why: string | null = null;
  const ended = Promise.withResolvers<void>();
  const closed = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', (error) => {
      why ??= error.message;
      resolve();
    });
  });
  child.stdout.on('data', (bytes: Buffer) => {
    results.push(bytes);
    size += bytes.length;
    if (size > MOST_RESULTS) child.kill('SIGKILL');
    if (Buffer.concat(results.slice(-END.length)).subarray(-END.length).equals(END)) ended.resolve();
  });
  child.stderr.on('data', (bytes: Buffer) => {
    const taken = options.output(bytes);
    if (taken === undefined) return;
    child.stderr.pause();
    void taken.then(() => child.stderr.resume());
  });
  child.stdin.on('error', () => undefined);

  const late = setTimeout(() => {
    why = `It took longer than ${seconds(options.timeoutMs)}.`;
    if (options.canStop) child.stdin.write('stop\n');
    else child.kill('SIGKILL');
  }, options.timeoutMs);
  const tooLate = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs + (options.stopMs ?? STOP_MS));
  void give(child, programBytes(program, mark), options);
  await Promise.race([ended.promise, closed]);
  clearTimeout(late);
  clearTimeout(tooLate);
  child.stdin.destroy();
  await settle(child, closed);
  return answer(Buffer.concat(results), mark, why);
}

async function give(
  child: ChildProcessWithoutNullStreams,
  program: Buffer,
  { input, canStop }: ConverseOptions,
): Promise<void> {
  child.stdin.write(program);
  try {
    if (input === undefined) {
      if (!canStop) child.stdin.end();
    } else if ('text' in input) child.stdin.end(input.text);
    else await pipeline(createReadStream(input.file, { highWaterMark: 1024 * 1024 }), child.stdin);
  } catch {
    // The program ended before it had taken everything; its results, or their absence, say why.
  }
}

async function settle(child: ChildProcessWithoutNullStreams, closed: Promise<void>): Promise<void> {
  const kill = setTimeout(() => {
    child.kill('SIGKILL');
    child.stdout.destroy();
    child.stderr.destroy();
  }, TAIL_MS);
  await closed;
  clearTimeout(kill);
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
