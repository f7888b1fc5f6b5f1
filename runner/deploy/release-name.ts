/**
 * The name that a new release gets on all hosts: the proposed one, or, where a host has the same or a later one, a second after the
 * latest, so that names always grow. Null when that is no time at all, and somebody has to tidy up.
 */
export function laterThan(proposed: string, present: readonly string[]): string | null {
  const latest = present.toSorted().at(-1);
  if (latest === undefined || latest < proposed) return proposed;
  const at = timeOf(latest);
  return at === null ? null : releaseName(at + 1000);
}

/** `20261122190612` for a moment in milliseconds since 1970. */
export function releaseName(at: number): string {
  return new Date(at)
    .toISOString()
    .slice(0, 19)
    .replace(/[^0-9]/g, '');
}

function timeOf(release: string): number | null {
  const [, year, month, day, hour, minute, second] = /^(....)(..)(..)(..)(..)(..)$/.exec(release) ?? [];
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(at) ? null : at;
}
