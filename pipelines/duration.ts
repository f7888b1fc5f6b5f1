const PARTS = /^(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,6})s)?$/;

/** A duration such as `90s`, `20m`, `2h` or `1h30m` in milliseconds; null when it is not written like that. */
export function durationMs(text: string): number | null {
  const parts = PARTS.exec(text);
  if (parts === null || text === '') return null;
  const [hours, minutes, seconds] = parts.slice(1).map((part) => Number(part ?? 0));
  return ((hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0)) * 1000;
}
