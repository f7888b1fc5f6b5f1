import type { Status } from '@reprise/pipelines/status.ts';
import { count, duration, isOver, STATUS_WORDS } from '../words.ts';

/** One of a project's last builds, as the server lists them: oldest first. */
export interface RecentBuild {
  number: number;
  status: Status;
  /** null: it has not run, or still does. */
  durationMs: number | null;
}

export interface Bar {
  number: number;
  status: Status;
  /** Left edge, width and height in the picture's units; bars stand on the bottom. */
  x: number;
  width: number;
  height: number;
  /** "#12 passed in 40s". */
  title: string;
}

/** Builds that have a place; with fewer, the left stays empty, so that a bar is always equally wide. */
export const PLACES = 30;
const GAP = 2;
/** Of the whole height: also a build of no time can be pointed at. */
const LEAST = 0.14;
/** What took longer than this many times the usual is drawn no higher, or one stuck build would flatten all others. */
const CUT_AT = 3;

/** The bars of a picture of this size: as high as the build took long, the newest at the right. */
export function bars(
  recent: readonly RecentBuild[],
  { width, height }: { width: number; height: number },
): Bar[] {
  const shown = recent.slice(-PLACES);
  const durations = shown.flatMap(({ durationMs }) => (durationMs === null ? [] : [durationMs]));
  const usual = median(durations);
  const top = Math.min(Math.max(...durations, 1), Math.max(usual * CUT_AT, 1));
  const step = (width + GAP) / PLACES;
  return shown.map((build, at) => ({
    number: build.number,
    status: build.status,
    x: round((PLACES - shown.length + at) * step),
    width: round(step - GAP),
    height: round(height * Math.min(1, Math.max(LEAST, (build.durationMs ?? usual) / top))),
    title: titleOf(build),
  }));
}

/** The whole picture as a sentence: "Last 30 builds: 27 passed, 2 failed, 1 running. #41 passed in 40s." */
export function summary(recent: readonly RecentBuild[]): string {
  const shown = recent.slice(-PLACES);
  const latest = shown.at(-1);
  if (!latest) return 'No builds yet.';
  const numbers = Map.groupBy(shown, ({ status }) => status);
  const parts = [...numbers]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([status, builds]) => `${builds.length} ${STATUS_WORDS[status].toLowerCase()}`);
  const which = shown.length === 1 ? 'One build' : `Last ${count(shown.length, 'build')}`;
  return `${which}: ${parts.join(', ')}. Newest: ${titleOf(latest)}.`;
}

function titleOf({ number, status, durationMs }: RecentBuild): string {
  const words = `#${number} ${STATUS_WORDS[status].toLowerCase()}`;
  if (durationMs === null || !isOver(status) || status === 'skipped') return words;
  return `${words} ${status === 'passed' ? 'in' : 'after'} ${duration(durationMs)}`;
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
