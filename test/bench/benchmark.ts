/** One thing that is measured, against a plain tool that does the same without a build server. */
export interface Benchmark {
  /** What `--only` takes. */
  name: string;
  what: string;
  /** What it is held against, measured in turn with it. */
  plain: string;
  /** By figure. Missed ones are marked in the table; nothing fails. */
  goal: Record<string, Goal>;
  run(context: Context): Promise<Figure[]>;
}

export interface Context {
  /** Rounds that count; one more is run before them to warm up. */
  rounds: number;
  /** Progress, for whoever watches. */
  say(text: string): void;
}

/** One line of the table: a value a round, and the plain tool's of the same round. */
export interface Figure {
  name: string;
  unit: 'ms' | 's' | 'kB' | 'MB' | 'MB/s' | '/s' | 'cores';
  ours: number[];
  /** null: nothing plain does this. */
  plain: number[] | null;
}

/** A bound on the median, of the figure itself or of its ratio to the plain tool's. */
export interface Goal {
  of: 'value' | 'ratio';
  bound: 'at most' | 'at least';
  value: number;
}

export const atMost = (value: number): Goal => ({ of: 'value', bound: 'at most', value });
export const atLeast = (value: number): Goal => ({ of: 'value', bound: 'at least', value });
export const ratioAtMost = (value: number): Goal => ({ of: 'ratio', bound: 'at most', value });
export const ratioAtLeast = (value: number): Goal => ({ of: 'ratio', bound: 'at least', value });
