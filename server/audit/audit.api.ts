/** Shapes of the record of who did what. */
import { z } from 'zod';
import { listOf } from '../api.ts';

export const auditEntrySchema = z
  .object({
    seq: z.number().int(),
    at: z.iso.datetime(),
    actor: z.string(),
    via: z.string().describe('The API token with which; empty: in person.'),
    action: z.string().describe('`build.rebuild`: what, then what was done to it.'),
    project: z.string().nullable(),
    subject: z.string().describe('Of what: `shop #12`, `runner box-1`.'),
    reason: z.string(),
    detail: z.record(z.string(), z.unknown()).describe('What changed; never a secret.'),
    previousHash: z.string().describe('The hash of the entry before; zeros before the first.'),
    hash: z.string().describe('sha256 of the rest of this entry as canonical JSON (RFC 8785).'),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.infer<typeof auditEntrySchema>;

export const auditListSchema = listOf(auditEntrySchema);
