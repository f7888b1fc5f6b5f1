/** Below how much free space a server takes no new work: bytes, or a share of the disk with a most in bytes. */
export type LowMark = { bytes: number } | { share: number; mostBytes: number };

/** A twentieth of the disk; but so much is enough on the largest. */
const DEFAULT: LowMark = { share: 0.05, mostBytes: 5 * 1024 ** 3 };

/** Reads REPRISE_DISK_LOW: bytes (`2000000000`) or percent (`10%`); 0: nothing is watched. */
export function parseLowMark(value: string | null, problems: string[]): LowMark {
  if (value === null) return DEFAULT;
  const [, number = '', percent] = /^(\d{1,15}(?:\.\d+)?)\s*(%?)$/.exec(value) ?? [];
  if (percent === '%' && Number(number) <= 100)
    return { share: Number(number) / 100, mostBytes: Number.MAX_SAFE_INTEGER };
  if (percent === '' && Number.isInteger(Number(number))) return { bytes: Number(number) };
  problems.push(`REPRISE_DISK_LOW must be bytes or percent of the disk, such as 5%, not "${value}".`);
  return DEFAULT;
}

/** The mark in bytes on a disk of that size. */
export function lowBytes(mark: LowMark, size: number): number {
  return 'bytes' in mark ? mark.bytes : Math.min(size * mark.share, mark.mostBytes);
}
