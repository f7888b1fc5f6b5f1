import { loseAttempt } from '../runners/lose.ts';
import type { Services } from '../services.ts';
import { expiredAttempts } from './lease.ts';

/** Ends every attempt whose lease has expired; its job is claimed again or given up. */
export async function sweep(services: Services): Promise<void> {
  const now = services.now();
  for (const id of await expiredAttempts(services.db, now)) {
    await loseAttempt(services, id, { why: 'its runner was not heard of any more', expiredBy: now });
  }
}
