import { statfs } from 'node:fs/promises';
import { Refusal } from '../http/refusal.ts';
import { Rounds } from '../rounds.ts';
import type { Services } from '../services.ts';
import { lowBytes } from './low-mark.ts';

const EVERY_MS = 2000;

/** So much more than the low mark must be free again before work is taken, or it would go to and fro. */
const ENOUGH = 1.25;

/** Watches the free space of the data directory, and says when there is too little for anything new. */
export class DiskWatch {
  readonly #services: Pick<Services, 'config' | 'log' | 'live' | 'queue'>;
  readonly #rounds: Rounds;
  #low: { free: number; mark: number } | null = null;

  constructor(services: Pick<Services, 'config' | 'log' | 'live' | 'queue'>) {
    this.#services = services;
    const failed = 'the free space of the disk could not be read';
    this.#rounds = new Rounds({ log: services.log, failed, work: () => this.look() });
  }

  /** A sentence where new work must wait for space; null: there is enough. */
  get problem(): string | null {
    if (this.#low === null) return null;
    const { free, mark } = this.#low;
    return `the server's disk is nearly full: ${megabytes(free)} are free, and below ${megabytes(mark)} no build begins`;
  }

  /** Looks for the first time, then again and again. */
  async start(): Promise<void> {
    await this.look();
    this.#rounds.every(EVERY_MS);
  }

  async stop(): Promise<void> {
    await this.#rounds.stop();
  }

  /** Refuses (507) what would fill the disk further, while there is little space. */
  refuseNew(): void {
    if (this.problem === null) return;
    const sentence = `Nothing new is stored: ${this.problem}. Free space, or let retention remove what is not needed.`;
    throw new Refusal(507, 'disk-full', sentence);
  }

  async look(): Promise<void> {
    const { config, log, live, queue } = this.#services;
    const { bavail, blocks, bsize } = await statfs(config.dataDir);
    const free = bavail * bsize;
    const mark = lowBytes(config.diskLow, blocks * bsize);
    const wasLow = this.#low !== null;
    const isLow = free < mark * (wasLow ? ENOUGH : 1);
    this.#low = isLow ? { free, mark } : null;
    if (isLow === wasLow) return;
    if (isLow) log.error({ free, mark }, 'the disk is nearly full: no build begins until there is space');
    else {
      log.warn({ free, mark }, 'there is space on the disk again: builds begin');
      queue.wake();
    }
    live.changed('queue');
  }
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
