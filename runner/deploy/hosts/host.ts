import type { Place } from '../scripts/lock.ts';
import type { Program } from '../scripts/program.ts';
import type { Answer, RunOptions } from './session.ts';

/** A machine that a deployment reaches: over ssh, or this one. */
export interface Host extends AsyncDisposable {
  /** As the pipeline file writes it. */
  readonly name: string;
  readonly place: Place;
  /** Runs a program; connects first where there is no connection (any more). Never rejects. */
  run(program: Program, options: RunOptions): Promise<Answer>;
  /** Ends the processes of the connection at once. */
  abandon(): void;
}
