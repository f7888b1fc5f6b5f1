/**
 * Makes one call of many: what is asked for while the event loop turns once is handed to `together` as one batch, so that a
 * burst shares one transaction and one write to the disk. A lone call waits for nothing but that turn. Where a batch
 * fails, each of its members is tried alone, so that nobody fails for another's sake.
 */
export function gather<Asked, Answer>(
  together: (batch: Asked[]) => Promise<Answer[]>,
): (asked: Asked) => Promise<Answer> {
  let waiting: { asked: Asked; answer: PromiseWithResolvers<Answer> }[] = [];

  return (asked) => {
    const answer = Promise.withResolvers<Answer>();
    waiting.push({ asked, answer });
    // After the poll phase: every request whose bytes have arrived meanwhile is in the batch.
    if (waiting.length === 1) setImmediate(run);
    return answer.promise;
  };

  async function run(): Promise<void> {
    const batch = waiting;
    waiting = [];
    try {
      const answers = await together(batch.map(({ asked }) => asked));
      for (const [at, { answer }] of batch.entries()) answer.resolve(answers[at] as Answer);
    } catch (error) {
      if (batch.length === 1) return batch[0]?.answer.reject(error);
      for (const { asked, answer } of batch) {
        await together([asked]).then(([only]) => answer.resolve(only as Answer), answer.reject);
      }
    }
  }
}
