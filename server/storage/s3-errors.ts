import { Refusal } from '../http/refusal.ts';

interface S3Failure {
  name?: string;
  message?: string;
  $metadata?: { httpStatusCode?: number };
}

/** For `catch`: null where the object (or upload, or bucket) is not there, else as `explain`. */
export function unlessMissing(error: unknown): null {
  return isMissing(error) ? null : explain(error);
}

export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404;
}

/**
 * For `catch`: throws what a failed request means. No answer, or one of 429 and 5xx after every attempt, is a `Refusal` 503
 * that may be tried again; anything else (a refused key, say) is a fault for the operator's log.
 */
export function explain(error: unknown): never {
  if (error instanceof Refusal) throw error;
  const status = statusOf(error);
  const { name, message } = error as S3Failure;
  if (status === undefined || status === 429 || status >= 500) {
    const sentence = 'The storage does not answer, so nothing was read or stored. Try again in a minute.';
    const refusal = new Refusal(503, 'unavailable', sentence);
    refusal.cause = error;
    throw refusal;
  }
  throw new Error(`The storage answered ${status} ${name}: ${message}`, { cause: error });
}

function statusOf(error: unknown): number | undefined {
  return (error as S3Failure)?.$metadata?.httpStatusCode;
}
