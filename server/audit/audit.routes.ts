import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { page } from '../api.ts';
import { type Caller, visibleProjects } from '../auth/caller.ts';
import { type Route, route, STREAMED } from '../http/route.ts';
import type { Services } from '../services.ts';
import { Signer } from '../signer.ts';
import { auditHeadSchema, auditListSchema, publicKeyListSchema } from './audit.api.ts';
import { listAudit, type Readable as Part } from './audit.store.ts';
import { viewEntry } from './audit.view.ts';
import { exportAudit } from './export.ts';
import { auditHead } from './head.ts';

const query = z.object({
  ...page,
  project: z.string().max(64).optional(),
  actor: z.string().max(64).optional().describe('A login.'),
  action: z
    .string()
    .regex(
      /^[a-z]+(\.[a-z-]+)?$/,
      'must be such as "build.cancel", or "build" for all that is done to builds',
    )
    .optional(),
});

/** Who did what to what, when and why. */
export function auditRoutes(services: Services): Route[] {
  const { reader, vault } = services;
  return [
    route({
      method: 'get',
      path: '/api/audit',
      policy: 'signed-in',
      summary:
        "Who did what, when and why: all of it for administrators, else what was done in one's projects.",
      query,
      answer: auditListSchema,
      async handle({ query, caller }) {
        const found = await listAudit(reader, readableBy(caller), query);
        const last = found.length === query.limit ? found.at(-1) : undefined;
        return { items: found.map(viewEntry), next: last ? String(last.seq) : null };
      },
    }),
    route({
      method: 'get',
      path: '/api/audit/head',
      policy: 'admin',
      summary:
        'The newest entry, signed: kept elsewhere, it shows later whether anything was taken away or changed.',
      answer: auditHeadSchema,
      handle: () => auditHead(services),
    }),
    route({
      method: 'get',
      path: '/api/audit/export',
      policy: 'admin',
      summary: 'Every entry as a line of JSON, oldest first, and the signed head as the last line.',
      async handle({ response }) {
        const head = await auditHead(services);
        response.set({
          'Content-Type': 'application/jsonl; charset=utf-8',
          'Content-Disposition': `attachment; filename="audit-${head.seq}.jsonl"`,
        });
        await pipeline(Readable.from(exportAudit(reader, head)), response);
        return STREAMED;
      },
    }),
    route({
      method: 'get',
      path: '/api/keys',
      policy: 'public',
      summary: 'The public halves of the keys with which this server signs.',
      answer: publicKeyListSchema,
      handle() {
        const { keyId, publicKey } = new Signer(vault);
        return { items: [{ keyId, algorithm: 'ed25519', publicKey }], next: null };
      },
    }),
  ];
}

/** Users, runners and sign-ins belong to no project: they are the administrators' business. */
function readableBy(caller: Caller): Part {
  return caller.role === 'admin' ? 'everything' : { projects: visibleProjects(caller) };
}
