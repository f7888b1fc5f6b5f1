import { pipeline } from 'node:stream/promises';
import type { PlannedJob } from '@reprise/pipelines/model.ts';
import type { Response } from 'express';
import { notFound } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import type { PlacedAttempt } from './attempt.store.ts';

/** Sends the content of an artifact that the attempt's job has as input: of its own build and no other. */
export async function sendInput(
  { db, blobs }: Services,
  attempt: PlacedAttempt,
  o: { sha256: string; response: Response },
): Promise<void> {
  const { inputs }: PlannedJob = JSON.parse(attempt.spec ?? '{"inputs":[]}');
  const input =
    inputs.length > 0 &&
    (await db
      .selectFrom('artifacts')
      .select('id')
      .where('build_id', '=', attempt.build_id)
      .where('name', 'in', inputs)
      .where('sha256', '=', o.sha256)
      .executeTakeFirst());
  if (!input) throw notFound(`An input of attempt ${attempt.id} with sha256 ${o.sha256}`);
  const { size, stream } = await blobs.openVerified(o.sha256);
  o.response.set({ 'Content-Type': 'application/gzip', 'Content-Length': String(size) });
  await pipeline(stream, o.response);
}
