import { childrenOf } from './memory.ts';

/**
 * Waits for `what`, but not longer than `ms`: then every process started here is ended, so that nothing hangs or is left
 * behind, and it rejects.
 */
export async function within<T>(ms: number, what: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new Error(`It was not done after ${ms / 1000} s, and was given up.`));
    endChildren();
  }, ms);
  try {
    return await Promise.race([what, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Ends every process that was started here and still runs. Servers take their runners with them. */
export function endChildren(): void {
  for (const child of childrenOf(process.pid)) process.kill(child, 'SIGTERM');
}
