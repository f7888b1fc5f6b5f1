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

export const auditHeadSchema = z
  .object({
    seq: z.number().int().describe('Of the newest entry; 0: there is none.'),
    hash: z.string().describe('Of the newest entry; zeros: there is none.'),
    at: z.iso.datetime().describe('When this was said.'),
    signature: z.string().describe('ed25519 over {seq, hash, at} as canonical JSON (RFC 8785), base64.'),
    keyId: z.string().describe('Which of /api/keys checks it.'),
  })
  .meta({ id: 'AuditHead' });
export type AuditHead = z.infer<typeof auditHeadSchema>;

export const publicKeySchema = z
  .object({
    keyId: z.string().describe('sha256 of the key in SPKI form (DER), lower-case hex.'),
    algorithm: z.literal('ed25519'),
    publicKey: z.string().describe('SPKI, PEM.'),
  })
  .meta({ id: 'PublicKey' });
export type PublicKey = z.infer<typeof publicKeySchema>;
export const publicKeyListSchema = listOf(publicKeySchema);

export const auditListSchema = listOf(auditEntrySchema);
