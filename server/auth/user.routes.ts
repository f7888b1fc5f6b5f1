import { z } from 'zod';
import { type Route, route } from '../http/route.ts';
import type { Services } from '../services.ts';
import {
  linkSchema,
  loginSchema,
  madeUserSchema,
  newUserSchema,
  userChangeSchema,
  userListSchema,
  userSchema,
} from './account.api.ts';
import { changeUser, createUser, linkUser, removeUser } from './change-user.ts';
import { listUsers } from './user.store.ts';
import { viewUser, viewUsers } from './user.view.ts';

const params = z.object({ login: loginSchema });

/** Users, for administrators of the instance. */
export function userRoutes(services: Services): Route[] {
  const { db } = services;
  return [
    route({
      method: 'get',
      path: '/api/users',
      policy: 'admin',
      summary: 'The users, by login.',
      query: z.object({
        before: z.string().optional().describe('The `next` of the page before.'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
      }),
      answer: userListSchema,
      async handle({ query: { before, limit } }) {
        const found = await listUsers(services.reader, { before, limit });
        const items = await viewUsers(services.reader, found.slice(0, limit));
        return { items, next: found.length > limit ? (items.at(-1)?.login ?? null) : null };
      },
    }),
    route({
      method: 'post',
      path: '/api/users',
      policy: 'admin',
      summary: 'Adds a user, and makes the one-time link with which they choose a password.',
      body: newUserSchema,
      status: 201,
      answer: madeUserSchema,
      async handle({ body, caller }) {
        const { user, link } = await createUser(services, body, caller);
        return { user: await viewUser(db, user), link };
      },
    }),
    route({
      method: 'patch',
      path: '/api/users/:login',
      policy: 'admin',
      summary: "Changes a user's name, role or GitHub account, or disables them.",
      params,
      body: userChangeSchema,
      answer: userSchema,
      async handle({ params: { login }, body, caller }) {
        return viewUser(db, await changeUser(services, login, { ...body, by: caller }));
      },
    }),
    route({
      method: 'delete',
      path: '/api/users/:login',
      policy: 'admin',
      summary: 'Removes a user with their sessions and tokens. What they did stays on record.',
      params,
      handle: ({ params: { login }, caller }) => removeUser(services, login, caller),
    }),
    route({
      method: 'post',
      path: '/api/users/:login/link',
      policy: 'admin',
      summary:
        'Makes a one-time link with which a user chooses a new password; their sessions end when it is used.',
      params,
      status: 201,
      answer: linkSchema,
      handle: ({ params: { login }, caller }) => linkUser(services, login, caller),
    }),
  ];
}
