import { ArtifactProblem } from './problem.ts';

/**
 * Bounds kept alike by packing and unpacking, so that whatever packs also unpacks. They stop mistakes (a whole disk image,
 * a sparse file of a terabyte) and bombs, and lie far above what applications are.
 */
export interface ArtifactLimits {
  /** Content of all files together. */
  bytes: number;
  entries: number;
  /** Components of a path below the top folder. */
  depth: number;
  /** Content up to this size may compress as well as it likes; */
  freeBytes: number;
  /** beyond it, to no less than one in this many. */
  ratio: number;
}

const GIB = 1024 ** 3;

export const ARTIFACT_LIMITS: ArtifactLimits = {
  bytes: 16 * GIB,
  entries: 500_000,
  depth: 128,
  freeBytes: GIB,
  ratio: 100,
};

/** What an artifact has held so far; refuses at the entry that goes beyond a limit. */
export class Tally {
  bytes = 0;
  entries = 0;
  readonly #limits: ArtifactLimits;

  constructor(limits: ArtifactLimits) {
    this.#limits = limits;
  }

  entry(path: string): void {
    this.entries += 1;
    if (this.entries > this.#limits.entries)
      throw new ArtifactProblem(
        `The artifact has more than ${this.#limits.entries} entries, the most allowed. Exclude what is not needed to run.`,
      );
    if (path.split('/').length > this.#limits.depth)
      throw new ArtifactProblem(
        `"${path}" is nested more than ${this.#limits.depth} directories deep, the most allowed.`,
      );
  }

  content(path: string, size: number): void {
    this.bytes += size;
    if (this.bytes > this.#limits.bytes)
      throw new ArtifactProblem(
        `With "${path}" (${size} bytes) the artifact holds more than ${this.#limits.bytes} bytes, the most allowed.`,
      );
  }

  /** Refuses content that is out of all proportion to the `compressed` bytes it came in, or was packed into. */
  assertRatio(compressed: number): void {
    const { freeBytes, ratio } = this.#limits;
    if (this.bytes <= freeBytes || this.bytes <= compressed * ratio) return;
    throw new ArtifactProblem(
      `The artifact's ${this.bytes} bytes compress to ${compressed}: more than ${ratio} to one looks like a mistake, and is not allowed above ${freeBytes} bytes.`,
    );
  }
}
