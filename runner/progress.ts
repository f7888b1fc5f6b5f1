import { Unanswered } from './client.ts';
import type { Progress, StepState } from './protocol.ts';

/** Changes that follow each other faster are told together; a job that ends sooner tells them with its result. */
const GATHER_MS = 100;

/** Before what was not delivered is told again. */
const AGAIN_MS = 1000;

/** Tells the server the state of the steps: always the whole, never more than one request at a time. */
export class ProgressReport {
  readonly #send: (progress: Progress) => Promise<void>;
  readonly #onRefused: (error: unknown) => void;
  #steps: readonly StepState[] = [];
  #timer: NodeJS.Timeout | null = null;
  #sending = false;
  #stopped = false;

  constructor(send: (progress: Progress) => Promise<void>, onRefused: (error: unknown) => void) {
    this.#send = send;
    this.#onRefused = onRefused;
  }

  tell(steps: readonly StepState[]): void {
    this.#steps = steps;
    this.#tellAfter(GATHER_MS);
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer) clearTimeout(this.#timer);
  }

  #tellAfter(ms: number): void {
    if (this.#timer || this.#sending || this.#stopped) return;
    this.#timer = setTimeout(() => void this.#tellNow(), ms);
  }

  async #tellNow(): Promise<void> {
    this.#timer = null;
    this.#sending = true;
    const told = this.#steps;
    let undelivered = false;
    try {
      await this.#send({ steps: [...told] });
    } catch (error) {
      undelivered = error instanceof Unanswered;
      if (!undelivered && !this.#stopped) this.#onRefused(error);
    }
    this.#sending = false;
    if (undelivered) this.#tellAfter(AGAIN_MS);
    else if (told !== this.#steps) this.#tellAfter(GATHER_MS);
  }
}
