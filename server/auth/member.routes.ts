import { z } from 'zod';
import { recordAudit } from '../audit/record.ts';
import { notFound } from '../http/refusal.ts';
import { type Route, route } from '../http/route.ts';
import { projectNamed } from '../projects/project.store.ts';
import type { Services } from '../services.ts';
import { loginSchema, type Member, memberListSchema, memberSchema, roleSchema } from './account.api.ts';
import type { Actor } from './caller.ts';
import type { Role } from './role.ts';
import { credentialsOf, userOf } from './user.store.ts';

const ofProject = z.object({ project: z.string() });
const ofMember = z.object({ project: z.string(), login: loginSchema });

/** Who has a role in one project only. Who has one over everything is not listed: that is told by the users. */
export function memberRoutes(services: Services): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/projects/:project/members',
      policy: 'viewer',
      summary: "A project's members and their roles in it, by login.",
      params: ofProject,
      answer: memberListSchema,
      handle: async ({ params: { project } }) => ({
        items: await listMembers(services, project),
        next: null,
      }),
    }),
    route({
      method: 'put',
      path: '/api/projects/:project/members/:login',
      policy: 'admin',
      summary: 'Gives a user a role in the project.',
      params: ofMember,
      body: z.object({ role: roleSchema }),
      answer: memberSchema,
      handle: ({ params, body, caller }) => setMember(services, { ...params, role: body.role, by: caller }),
    }),
    route({
      method: 'delete',
      path: '/api/projects/:project/members/:login',
      policy: 'admin',
      summary: 'Takes the role in the project away.',
      params: ofMember,
      handle: ({ params, caller }) => removeMember(services, { ...params, by: caller }),
    }),
  ];
}

async function listMembers({ reader }: Services, name: string): Promise<Member[]> {
  const project = await projectNamed(reader, name);
  return reader
    .selectFrom('memberships')
    .innerJoin('users', 'users.id', 'memberships.user_id')
    .select(['users.login', 'users.name', 'memberships.role'])
    .where('memberships.project_id', '=', project.id)
    .orderBy('users.login')
    .execute();
}

async function setMember(
  services: Services,
  o: { project: string; login: string; role: Role; by: Actor },
): Promise<Member> {
  const { login, role, by } = o;
  const { user, credentials } = await services.db.transaction().execute(async (trx) => {
    const project = await projectNamed(trx, o.project);
    const user = await userOf(trx, login);
    await trx
      .insertInto('memberships')
      .values({ user_id: user.id, project_id: project.id, role })
      .onConflict((oc) => oc.columns(['user_id', 'project_id']).doUpdateSet({ role }))
      .execute();
    const at = services.now();
    const detail = { role };
    await recordAudit(trx, { at, by, action: 'member.set', project: project.name, subject: login, detail });
    return { user, credentials: await credentialsOf(trx, user.id) };
  });
  announce(services, o.project, credentials);
  return { login, name: user.name, role };
}

async function removeMember(
  services: Services,
  { project: name, login, by }: { project: string; login: string; by: Actor },
): Promise<void> {
  const credentials = await services.db.transaction().execute(async (trx) => {
    const project = await projectNamed(trx, name);
    const user = await userOf(trx, login);
    const { numDeletedRows } = await trx
      .deleteFrom('memberships')
      .where('user_id', '=', user.id)
      .where('project_id', '=', project.id)
      .executeTakeFirst();
    if (numDeletedRows === 0n) throw notFound(`The member ${login} of ${name}`);
    await recordAudit(trx, {
      at: services.now(),
      by,
      action: 'member.remove',
      project: name,
      subject: login,
    });
    return credentialsOf(trx, user.id);
  });
  announce(services, name, credentials);
}

/** Sockets come back by themselves, with the rights they now have. */
function announce({ live }: Services, project: string, credentials: string[]): void {
  live.end(credentials);
  live.changed('audit', `project:${project}`);
}
