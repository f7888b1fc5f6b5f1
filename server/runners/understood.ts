import { PROTOCOL_VERSION } from '@reprise/runner/protocol.ts';
import type { z } from 'zod';
import { Refusal } from '../http/refusal.ts';

/** What a runner says before it is known to speak our protocol: only the version has a shape that every version knows. */
export function understood<Schema extends z.ZodType>(
  schema: Schema,
  given: { protocol: number },
): z.output<Schema> {
  refuseOtherProtocol(given.protocol);
  const { data, error } = schema.safeParse(given);
  if (!error) return data;
  const errors = error.issues.map(({ path, message }) => ({ field: path.join('.') || 'body', message }));
  throw new Refusal(400, 'bad-request', `${errors[0]?.field}: ${errors[0]?.message}.`, { errors });
}

function refuseOtherProtocol(protocol: number): void {
  if (protocol === PROTOCOL_VERSION) return;
  const older = protocol < PROTOCOL_VERSION ? 'runner' : 'server';
  throw new Refusal(
    426,
    'protocol-mismatch',
    `This runner speaks protocol ${protocol}, this server ${PROTOCOL_VERSION}. Update the ${older}.`,
    { protocol: PROTOCOL_VERSION },
  );
}
