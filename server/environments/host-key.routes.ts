import { z } from 'zod';
import { iso, listOf } from '../api.ts';
import { recordAudit } from '../audit/record.ts';
import { notFound } from '../http/refusal.ts';
import { type Route, route } from '../http/route.ts';
import { projectNamed } from '../projects/project.store.ts';
import { announcePromotion } from '../promotions/announce.ts';
import type { Services } from '../services.ts';
import { type PinnedHostAnswer, pinnedHostSchema } from './environment.api.ts';
import { addressOf, forgetHost, pinHost, pinnedHosts } from './host-key.store.ts';
import { fingerprint, scanHost } from './scan.ts';

const inProject = z.object({ project: z.string() });
const ofHost = inProject.extend({ host: z.string().max(300) });

const HOSTS = '/api/projects/:project/hosts';

/** Which keys hosts have: nothing is sent to one whose keys nobody has confirmed. */
export function hostKeyRoutes(services: Services): Route[] {
  const { db, reader, now } = services;
  return [
    route({
      method: 'get',
      path: HOSTS,
      policy: 'viewer',
      summary: 'Hosts whose keys are confirmed.',
      params: inProject,
      answer: listOf(pinnedHostSchema),
      async handle({ params }) {
        const project = await projectNamed(reader, params.project);
        const items = (await pinnedHosts(reader, project.id)).map(({ host, keys, pinnedBy, pinnedAt }) =>
          viewPinned(host, keys, { pinnedBy, pinnedAt: iso(pinnedAt) }),
        );
        return { items, next: null };
      },
    }),
    route({
      method: 'post',
      path: `${HOSTS}/:host/scan`,
      policy: 'admin',
      summary:
        'Asks a host which keys it has: compare their fingerprints with what its operator says before you pin them.',
      params: ofHost,
      answer: pinnedHostSchema,
      async handle({ params }) {
        await projectNamed(reader, params.project);
        return viewPinned(addressOf(params.host), await scanHost(params.host), {
          pinnedBy: null,
          pinnedAt: null,
        });
      },
    }),
    route({
      method: 'put',
      path: `${HOSTS}/:host`,
      policy: 'admin',
      summary: 'Pins the keys that a host must show from now on.',
      params: ofHost,
      body: z.strictObject({
        keys: z
          .array(
            z
              .string()
              .max(8192)
              .regex(
                /^(?:ssh-|ecdsa-|sk-)[A-Za-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}$/,
                'must be type and key, as in known_hosts',
              ),
          )
          .min(1)
          .max(16),
      }),
      answer: pinnedHostSchema,
      async handle({ params, body, caller }) {
        const project = await projectNamed(db, params.project);
        const at = now();
        await db.transaction().execute(async (trx) => {
          await pinHost(trx, {
            projectId: project.id,
            host: params.host,
            keys: body.keys,
            by: caller.name,
            at,
          });
          const detail = { fingerprints: body.keys.map(fingerprint) };
          const entry = { at, by: caller, action: 'host.pin', project: project.name, detail } as const;
          await recordAudit(trx, { ...entry, subject: addressOf(params.host) });
        });
        announcePromotion(services, project);
        return viewPinned(addressOf(params.host), body.keys, { pinnedBy: caller.name, pinnedAt: iso(at) });
      },
    }),
    route({
      method: 'delete',
      path: `${HOSTS}/:host`,
      policy: 'admin',
      summary: 'Forgets the keys of a host: nothing is sent to it until others are confirmed.',
      params: ofHost,
      async handle({ params, caller }) {
        const project = await projectNamed(db, params.project);
        await db.transaction().execute(async (trx) => {
          if (!(await forgetHost(trx, project.id, params.host)))
            throw notFound(`Confirmed keys of ${params.host}`);
          const entry = { at: now(), by: caller, action: 'host.forget', project: project.name } as const;
          await recordAudit(trx, { ...entry, subject: addressOf(params.host) });
        });
        announcePromotion(services, project);
      },
    }),
  ];
}

function viewPinned(
  host: string,
  keys: readonly string[],
  o: { pinnedBy: string | null; pinnedAt: string | null },
): PinnedHostAnswer {
  const shown = keys.map((key) => ({ type: key.split(' ')[0] ?? '', fingerprint: fingerprint(key), key }));
  return { host, keys: shown, ...o };
}
