import type { RetentionRules } from '@reprise/server/retention/retention.api.ts';

const GIGABYTE = 1e9;

/** Rules as they are typed: an empty field of numbers is null. */
export interface TypedRules {
  days: number | null;
  builds: number | null;
  gigabytes: number | null;
  recordsGo: boolean;
}

export function typedRules({ days, builds, bytes, records }: RetentionRules): TypedRules {
  return { days, builds, gigabytes: bytes === null ? null : bytes / GIGABYTE, recordsGo: records === 'go' };
}

export function bytesOf(gigabytes: number | null): number | null {
  return gigabytes === null ? null : Math.round(gigabytes * GIGABYTE);
}

/** Rules as the preview is asked for them, all of them given: 0 is no limit. */
export function queryOf({ days, builds, bytes, records }: RetentionRules): string {
  return `days=${days ?? 0}&builds=${builds ?? 0}&bytes=${bytes ?? 0}&records=${records}`;
}
