import type { Benchmark, Figure, Goal } from './benchmark.ts';
import { ratios, type Summary, summarize } from './measure.ts';

/** A figure as it is printed and written to the JSON file. */
export interface Row {
  benchmark: string;
  figure: string;
  unit: Figure['unit'];
  ours: Summary & { values: number[] };
  plain: (Summary & { values: number[] }) | null;
  ratio: Summary | null;
  goal: Goal | null;
  /** null: there is no goal. */
  reached: boolean | null;
}

/** Judges each figure by its median. A goal without its figure is a mistake in the benchmark. */
export function rowsOf({ name, goal }: Benchmark, figures: readonly Figure[]): Row[] {
  const missing = Object.keys(goal).filter((figure) => !figures.some((measured) => measured.name === figure));
  if (missing.length > 0)
    throw new Error(`${name} has goals for ${missing.join(', ')}, but did not measure it.`);
  return figures.map((figure) => {
    const { ours, plain } = figure;
    const ratio = plain && summarize(ratios(ours, plain));
    const aim = goal[figure.name] ?? null;
    const judged = aim && (aim.of === 'ratio' ? ratio?.median : summarize(ours).median);
    return {
      benchmark: name,
      figure: figure.name,
      unit: figure.unit,
      ours: { ...summarize(ours), values: ours },
      plain: plain && { ...summarize(plain), values: plain },
      ratio,
      goal: aim,
      reached: aim && judged !== null && judged !== undefined ? isReached(aim, judged) : null,
    };
  });
}

/** The rows of one benchmark under its heading, columns aligned. */
export function tableOf({ name, what, plain }: Benchmark, rows: readonly Row[]): string {
  const head = ['', '', 'Reprise', 'plain', 'ratio', 'goal'];
  const cells = rows.map((row) => [
    row.figure,
    row.unit,
    range(row.ours),
    row.plain ? range(row.plain) : '–',
    row.ratio ? range(row.ratio) : '–',
    goalText(row),
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...cells.map((line) => line[column]?.length ?? 0)),
  );
  const lines = [head, ...cells].map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [`${name}: ${what}`, `  against ${plain}`, ...lines.map((line) => `  ${line}`), ''].join('\n');
}

function goalText({ goal, reached }: Row): string {
  if (!goal) return '';
  const sign = goal.bound === 'at most' ? '≤' : '≥';
  return `${sign} ${goal.value}${goal.of === 'ratio' ? ' ×' : ''} ${reached ? 'reached' : 'MISSED'}`;
}

function isReached(goal: Goal, value: number): boolean {
  return goal.bound === 'at most' ? value <= goal.value : value >= goal.value;
}

function range({ median, min, max }: Summary): string {
  return `${short(median)} (${short(min)} – ${short(max)})`;
}

/** Three digits tell as much as five rounds can. */
function short(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return '0';
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
