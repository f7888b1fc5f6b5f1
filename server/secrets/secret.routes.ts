import { secretName } from '@reprise/pipelines/variables.ts';
import { MASKED_FROM_BYTES } from '@reprise/runner/protocol.ts';
import { z } from 'zod';
import { iso } from '../api.ts';
import { recordAudit } from '../audit/record.ts';
import { makeDeployKey } from '../git/deploy-key.ts';
import { notFound } from '../http/refusal.ts';
import { type Route, route } from '../http/route.ts';
import { NAME, NAME_RULE } from '../projects/project.api.ts';
import { projectNamed } from '../projects/project.store.ts';
import type { Services } from '../services.ts';
import { type Secret, type SecretBody, secretBody, secretListSchema, secretSchema } from './secret.api.ts';
import { deleteSecret, listSecrets, putSecret } from './secret.store.ts';

const inProject = z.object({ project: z.string() });
const named = inProject.extend({ name: secretName });
const place = z.object({
  environment: z
    .string()
    .regex(NAME, NAME_RULE)
    .optional()
    .describe("Of deployments to that environment, instead of builds' own."),
});

const SECRETS = '/api/projects/:project/secrets';

/** A project's secrets: written and removed, listed by name, handed only to what names them; no answer holds a value. */
export function secretRoutes(services: Services): Route[] {
  const { db, reader, vault, live, now } = services;
  return [
    route({
      method: 'get',
      path: SECRETS,
      policy: 'developer',
      summary: "The names of a project's secrets. A value is never answered.",
      params: inProject,
      answer: secretListSchema,
      async handle({ params }) {
        const project = await projectNamed(reader, params.project);
        return { items: (await listSecrets(reader, project.id)).map(view), next: null };
      },
    }),
    route({
      method: 'put',
      path: `${SECRETS}/:name`,
      policy: 'admin',
      summary: 'Sets a secret, or makes an SSH key whose private half nobody sees.',
      params: named,
      query: place,
      body: secretBody,
      bodyLimit: 512 * 1024,
      answer: secretSchema,
      async handle({ params: { project: projectName, name }, query, body, caller }) {
        const project = await projectNamed(db, projectName);
        const environment = query.environment ?? null;
        const { value, publicKey } = newValue(body, `reprise ${projectName} ${environment ?? name}`);
        const facts = {
          public_key: publicKey,
          masked: Buffer.byteLength(value) >= MASKED_FROM_BYTES ? 1 : 0,
          updated_by: caller.name,
          updated_at: now(),
        };
        await db.transaction().execute(async (trx) => {
          await putSecret(trx, vault, { projectId: project.id, environment, name, value, ...facts });
          const subject = subjectOf(projectName, environment, name);
          const detail = publicKey === null ? {} : { publicKey };
          const entry = { at: now(), by: caller, project: projectName, subject, detail };
          await recordAudit(trx, { ...entry, action: 'secret.set' });
        });
        live.changed(`project:${projectName}`, 'audit');
        return view({ environment: environment ?? '', name, ...facts });
      },
    }),
    route({
      method: 'delete',
      path: `${SECRETS}/:name`,
      policy: 'admin',
      summary: 'Removes a secret: jobs that name it fail with a sentence that says so.',
      params: named,
      query: place,
      async handle({ params: { project: projectName, name }, query, caller }) {
        const project = await projectNamed(db, projectName);
        const environment = query.environment ?? null;
        const subject = subjectOf(projectName, environment, name);
        await db.transaction().execute(async (trx) => {
          if (!(await deleteSecret(trx, { projectId: project.id, environment, name })))
            throw notFound(`The secret ${subject}`);
          await recordAudit(trx, {
            at: now(),
            by: caller,
            action: 'secret.remove',
            project: projectName,
            subject,
          });
        });
        live.changed(`project:${projectName}`, 'audit');
      },
    }),
  ];
}

function newValue(body: SecretBody, comment: string): { value: string; publicKey: string | null } {
  if ('value' in body) return { value: body.value, publicKey: null };
  const { privateKey, publicKey } = makeDeployKey(comment);
  return { value: privateKey, publicKey };
}

function subjectOf(project: string, environment: string | null, name: string): string {
  return environment === null ? `${project} ${name}` : `${project} ${environment} ${name}`;
}

function view(row: Awaited<ReturnType<typeof listSecrets>>[number]): Secret {
  return {
    name: row.name,
    environment: row.environment === '' ? null : row.environment,
    publicKey: row.public_key,
    masked: row.masked === 1,
    updatedBy: row.updated_by,
    updatedAt: iso(row.updated_at),
  };
}
