import { z } from 'zod';
import { recordAudit } from '../audit/record.ts';
import { newId, newToken } from '../db/id.ts';
import { notFound, Refusal } from '../http/refusal.ts';
import { type Route, route } from '../http/route.ts';
import { projectNamed } from '../projects/project.store.ts';
import type { Services } from '../services.ts';
import {
  type MadeToken,
  madeTokenSchema,
  type NewToken,
  newTokenSchema,
  tokenListSchema,
} from './account.api.ts';
import { type Caller, maySee, roleIn } from './caller.ts';
import { inPerson } from './in-person.ts';
import { greater, isAtLeast } from './role.ts';
import { hashOfKey } from './session.ts';
import { findToken, listTokens } from './token.store.ts';

const DAY_MS = 24 * 3_600_000;

/** API tokens: everybody's own; administrators see and revoke all. */
export function tokenRoutes(services: Services): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/tokens',
      policy: 'signed-in',
      summary: "The caller's own API tokens; with `all=true`, for administrators, everybody's.",
      query: z.object({ all: z.enum(['true', 'false']).default('false') }),
      answer: tokenListSchema,
      async handle({ query, caller }) {
        if (query.all === 'true' && !isAtLeast(caller.role, 'admin'))
          throw new Refusal(403, 'forbidden', "Only administrators may see everybody's tokens.");
        if (query.all === 'false' && caller.userId === null) return { items: [], next: null };
        const owner = query.all === 'true' ? null : caller.userId;
        return { items: await listTokens(services.reader, owner), next: null };
      },
    }),
    route({
      method: 'post',
      path: '/api/tokens',
      policy: 'signed-in',
      summary:
        'Makes an API token, shown this once. It never has more rights than its owner has at that moment.',
      body: newTokenSchema,
      status: 201,
      answer: madeTokenSchema,
      handle: ({ body, caller }) => makeToken(services, body, caller),
    }),
    route({
      method: 'delete',
      path: '/api/tokens/:id',
      policy: 'signed-in',
      summary: 'Revokes a token: what uses it is refused, and its sockets are closed, at once.',
      params: z.object({ id: z.string() }),
      handle: ({ params: { id }, caller }) => revokeToken(services, id, caller),
    }),
  ];
}

/** Made in person only: a stolen token must not be able to make itself successors. */
async function makeToken(services: Services, given: NewToken, caller: Caller): Promise<MadeToken> {
  const { userId } = inPerson(caller, 'make tokens');
  const key = newToken('rpu');
  const id = newId();
  const at = services.now();
  const { name, role } = given;
  const expiresAt = given.expiresInDays ? at + given.expiresInDays * DAY_MS : null;
  const token = await services.db.transaction().execute(async (trx) => {
    const project = given.project ? await projectNamed(trx, given.project) : null;
    if (project && !maySee(caller, project.name))
      throw notFound(`The project ${JSON.stringify(project.name)}`);
    assertWithin(caller, given);
    const { numInsertedOrUpdatedRows } = await trx
      .insertInto('tokens')
      .values({
        id,
        key_hash: hashOfKey(key),
        user_id: userId,
        project_id: project?.id ?? null,
        name,
        role,
        created_at: at,
        expires_at: expiresAt,
      })
      .onConflict((oc) => oc.columns(['user_id', 'name']).doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows === 0n)
      throw new Refusal(
        409,
        'name-taken',
        `You have a token ${JSON.stringify(name)} already: choose another name.`,
      );
    const detail = { role, expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString() };
    const entry = {
      at,
      by: caller,
      project: project?.name ?? null,
      subject: `${caller.name}: ${name}`,
      detail,
    };
    await recordAudit(trx, { ...entry, action: 'token.create' });
    return (await findToken(trx, id))?.token;
  });
  if (!token) throw new Error('A token just made is not there.');
  services.live.changed('audit');
  return { ...token, token: key };
}

/** A token that promises more than its owner has would only mislead. */
function assertWithin(caller: Caller, { role, project }: NewToken): void {
  const most = project
    ? roleIn(caller, project)
    : [...caller.projectRoles.values()].reduce(greater, caller.role);
  if (isAtLeast(most, role)) return;
  const yours = most === null ? 'You have no role' : `You are ${most}`;
  throw new Refusal(
    403,
    'forbidden',
    `${yours}${project ? ` in ${project}` : ''}: a token cannot be ${role}. Choose a lesser role.`,
  );
}

/** One's own in person, any as an administrator; and a token may end itself. */
async function revokeToken(services: Services, id: string, caller: Caller): Promise<void> {
  await services.db.transaction().execute(async (trx) => {
    const found = await findToken(trx, id);
    const isOwn = found?.userId === caller.userId && (caller.kind === 'user' || caller.credentialId === id);
    if (!found || !(isOwn || isAtLeast(caller.role, 'admin')))
      throw notFound(`The token ${JSON.stringify(id)}`);
    await trx.deleteFrom('tokens').where('id', '=', id).execute();
    const { owner, name, project } = found.token;
    const at = services.now();
    await recordAudit(trx, { at, by: caller, action: 'token.revoke', project, subject: `${owner}: ${name}` });
  });
  services.live.end([id]);
  services.live.changed('audit');
}
