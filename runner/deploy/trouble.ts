/** Why a deployment cannot go on. `failed`: a command or the health check said no; `errored`: a host, a connection or the artifact. */
export class Trouble extends Error {
  readonly status: 'failed' | 'errored' | 'cancelled';
  /** The connection went away meanwhile, so that only looking tells what is true. */
  readonly lost: boolean;

  constructor(status: Trouble['status'], sentence: string, lost = false) {
    super(sentence);
    this.status = status;
    this.lost = lost;
  }
}

/** Does something to several hosts at once and waits for all of them; then the first trouble, if any, is thrown. Faults go first. */
export async function onAll<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const results = await Promise.allSettled(items.map(work));
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  const fault = reasons.find((reason) => !(reason instanceof Trouble));
  if (reasons.length > 0) throw fault ?? reasons[0];
}
