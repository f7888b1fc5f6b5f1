import type { LogAnswer } from '@reprise/runner/protocol.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import type { PlacedAttempt } from './attempt.store.ts';

/** One request brings at most this much, so that a cut connection costs little. */
const MOST_PER_REQUEST = 8 * 1024 * 1024;

/** Above the limit of a log fit the line that says it was cut, and the runner's last words. */
const SLACK_BYTES = 64 * 1024;

/** Appends a request's bytes as they arrive; none is held in memory longer than its write takes. */
export async function appendLog(
  { logs, config, now }: Services,
  attempt: PlacedAttempt,
  o: { body: AsyncIterable<Buffer>; offset: number; length: number },
): Promise<LogAnswer> {
  const most = Math.min(o.offset + MOST_PER_REQUEST, config.logLimit + SLACK_BYTES);
  if (o.offset + o.length > most) throw tooLarge(attempt, config.logLimit);
  let at = o.offset;
  let size = await logs.size(attempt.id);
  if (at > size) throw gap(attempt, size);
  for await (const chunk of o.body) {
    if (at + chunk.length > most) throw tooLarge(attempt, config.logLimit);
    const appended = await logs.append(attempt.id, at, chunk, now());
    if ('gapAt' in appended) throw gap(attempt, appended.gapAt);
    at += chunk.length;
    size = appended.size;
  }
  return { size };
}

function gap({ id }: PlacedAttempt, size: number): Refusal {
  return new Refusal(
    416,
    'log-gap',
    `The log of attempt ${id} has ${size} bytes here: continue from there.`,
    {
      size,
    },
  );
}

function tooLarge({ id }: PlacedAttempt, limit: number): Refusal {
  return new Refusal(
    413,
    'too-large',
    `Attempt ${id} may log ${limit} bytes, ${MOST_PER_REQUEST} in one request: cut the log, or send it in parts.`,
  );
}
