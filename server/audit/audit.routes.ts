import { z } from 'zod';
import { iso, page } from '../api.ts';
import { type Caller, visibleProjects } from '../auth/caller.ts';
import type { AuditRow } from '../db/schema.ts';
import { type Route, route } from '../http/route.ts';
import type { Services } from '../services.ts';
import { type AuditEntry, auditListSchema } from './audit.api.ts';
import { listAudit, type Readable } from './audit.store.ts';

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
export function auditRoutes({ reader }: Services): Route[] {
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
  ];
}

/** Users, runners and sign-ins belong to no project: they are the administrators' business. */
function readableBy(caller: Caller): Readable {
  return caller.role === 'admin' ? 'everything' : { projects: visibleProjects(caller) };
}

/** An entry as the API shows it, and as its hash covers it. */
export function viewEntry({ at, detail, previous_hash: previousHash, ...row }: AuditRow): AuditEntry {
  return { ...row, at: iso(at), detail: JSON.parse(detail), previousHash };
}
