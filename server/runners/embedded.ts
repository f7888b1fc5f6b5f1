import { createHash } from 'node:crypto';
import { newId, newToken } from '../db/id.ts';
import type { Services } from '../services.ts';

/** The name of the runner that `reprise up` starts; no other runner can have it. */
export const EMBEDDED = 'embedded';

/**
 * Gives the embedded runner a new token, valid until the server starts again. Its instance stays known, so that it is welcome
 * at once and what it held before is ended without waiting for a lease.
 */
export async function ensureEmbeddedRunner({ db, config, now }: Services): Promise<string> {
  const token = newToken('rpr');
  const given = {
    token_hash: createHash('sha256').update(token).digest('hex'),
    labels: JSON.stringify(['deploy', 'linux']),
    capacity: config.embeddedRunners,
    embedded: 1,
  };
  await db
    .insertInto('runners')
    .values({ ...given, id: newId(), name: EMBEDDED, draining: 0, created_at: now() })
    .onConflict((oc) => oc.column('name').doUpdateSet(given))
    .execute();
  return token;
}
