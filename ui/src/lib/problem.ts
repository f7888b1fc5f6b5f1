/** What the server refused, or that it could not be reached: a sentence for people and what it was about. */
export class Problem extends Error {
  /** HTTP status; 0: no answer came. */
  readonly status: number;
  readonly code: string;
  /** Which fields of a form are wrong, and why. */
  readonly errors: readonly { field: string; message: string }[];
  /** Further members of the answer, such as `nearest`. */
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(status: number, code: string, sentence: string, extra: Record<string, unknown> = {}) {
    super(sentence);
    this.name = 'Problem';
    this.status = status;
    this.code = code;
    this.errors = Array.isArray(extra['errors']) ? extra['errors'] : [];
    this.extra = extra;
  }

  /** What is wrong with one field, or with something in it, if anything. */
  of(wanted: string): string | undefined {
    return this.errors.find(({ field }) => field === wanted || field.startsWith(`${wanted}.`))?.message;
  }
}

/** Anything thrown, as what can be shown. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(0, 'page', error instanceof Error ? error.message : String(error));
}
