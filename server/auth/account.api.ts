/** Shapes of accounts, sessions and API tokens. Instants are ISO 8601 in UTC. */
import { z } from 'zod';
import { listOf } from '../api.ts';
import { ROLES } from './role.ts';

const instant = z.iso.datetime();

export type { Role } from './role.ts';
export const roleSchema = z.enum(ROLES);

/** A login is also a name in records, so it keeps to what is read alike everywhere. */
export const loginSchema = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,38}$/,
    'must begin with a-z or 0-9, followed by at most 38 of a-z 0-9 . _ -',
  );

/** Length is what counts (OWASP's password guidance); the upper end only bounds the work of hashing. */
export const passwordSchema = z
  .string()
  .min(12, 'must have at least 12 characters')
  .max(1024, 'must have at most 1024 characters');

export const userSchema = z
  .object({
    login: z.string(),
    name: z.string().describe('As shown; the login where none was given.'),
    role: roleSchema.nullable().describe('In every project; null: only in those where they are a member.'),
    projects: z.array(z.object({ project: z.string(), role: roleSchema })),
    github: z.string().nullable().describe('The GitHub account that may sign in as this user.'),
    state: z.enum(['active', 'invited', 'disabled']).describe('`invited`: has not signed in yet.'),
    createdAt: instant,
    lastSeenAt: instant.nullable(),
  })
  .meta({ id: 'User' });
export type User = z.infer<typeof userSchema>;

/** `GET /api/session`: who the page speaks for, and how one can sign in. */
export const sessionSchema = z
  .object({
    user: userSchema.nullable().describe('null: nobody is signed in.'),
    csrf: z
      .string()
      .nullable()
      .describe('To be sent as the header X-CSRF-Token with every change made with the cookie.'),
    signIn: z.object({
      possible: z.boolean().describe('False over plain HTTP from elsewhere than this machine.'),
      why: z.string().describe('Why not, and what to do.'),
      problem: z
        .string()
        .describe("What became of this browser's last try with GitHub where it failed; told once."),
      github: z.boolean().describe('Whether "Sign in with GitHub" is configured.'),
    }),
    version: z.string(),
  })
  .meta({ id: 'Session' });
export type Session = z.infer<typeof sessionSchema>;

/** One of the caller's own signed-in browsers. */
export const signedInSchema = z
  .object({
    id: z.string(),
    current: z.boolean(),
    userAgent: z.string(),
    address: z.string(),
    createdAt: instant,
    lastSeenAt: instant,
    expiresAt: instant,
  })
  .meta({ id: 'SignedIn' });
export type SignedIn = z.infer<typeof signedInSchema>;

export const tokenSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    owner: z.string().describe('The login of whose it is.'),
    role: roleSchema.describe("At most this, and never more than its owner's."),
    project: z.string().nullable().describe('null: wherever its owner may.'),
    createdAt: instant,
    lastUsedAt: instant.nullable(),
    expiresAt: instant.nullable(),
  })
  .meta({ id: 'Token' });
export type Token = z.infer<typeof tokenSchema>;

export const madeTokenSchema = tokenSchema.extend({ token: z.string().describe('Shown this once.') });
export type MadeToken = z.infer<typeof madeTokenSchema>;

/** A link with which a password is chosen, once. */
export const linkSchema = z.object({ url: z.string(), expiresAt: instant }).meta({ id: 'Link' });
export type Link = z.infer<typeof linkSchema>;

/** A role is given over everything, or (null) only by membership of projects. */
const globalRole = roleSchema.nullable();
const displayName = z.string().trim().max(100, 'must have at most 100 characters');
/** GitHub's own rule for logins; Enterprise Managed Users carry a suffix after `_`. */
const githubLogin = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/, 'must be a login at GitHub, without @ or address');

export const newUserSchema = z.object({
  login: loginSchema,
  name: displayName.optional(),
  role: globalRole.default(null),
  github: githubLogin.nullish(),
});
export type NewUser = z.infer<typeof newUserSchema>;

export const userChangeSchema = z.object({
  name: displayName.min(1, 'must not be empty').optional(),
  role: globalRole.optional(),
  github: githubLogin.nullable().optional(),
  disabled: z.boolean().optional(),
});
export type UserChange = z.infer<typeof userChangeSchema>;

export const madeUserSchema = z.object({ user: userSchema, link: linkSchema }).meta({ id: 'MadeUser' });
export type MadeUser = z.infer<typeof madeUserSchema>;
export const userListSchema = listOf(userSchema);

/** `POST /api/session`: a login and a password, or a link with what its kind needs. */
export const signInSchema = z.object({
  login: z.string().trim().toLowerCase().max(100).optional(),
  password: z.string().max(1024, 'must have at most 1024 characters').optional(),
  link: z.string().max(100).optional().describe('The part after # of a one-time link.'),
  name: displayName.optional().describe('Of the first administrator.'),
});

/** `POST /api/session/link`: what a link would do. It stays good. */
export const foundLinkSchema = z
  .object({
    kind: z
      .enum(['first-admin', 'password', 'session'])
      .describe('Asks for a login and a password, for a password, or for nothing.'),
    login: z.string().nullable().describe('Whose it is; null: nobody yet.'),
  })
  .meta({ id: 'FoundLink' });
export type FoundLink = z.infer<typeof foundLinkSchema>;

export const passwordChangeSchema = z.object({ current: z.string().max(1024), password: passwordSchema });

export const signedInListSchema = listOf(signedInSchema);

export const newTokenSchema = z.object({
  name: z.string().trim().min(1, 'must not be empty').max(100, 'must have at most 100 characters'),
  role: roleSchema,
  project: z.string().nullish().describe('Only there; left out: wherever its owner may.'),
  expiresInDays: z.number().int().min(1).max(3650).nullish().describe('Left out: never.'),
});
export type NewToken = z.infer<typeof newTokenSchema>;
export const tokenListSchema = listOf(tokenSchema);

export const memberSchema = z
  .object({ login: z.string(), name: z.string(), role: roleSchema })
  .meta({ id: 'Member' });
export type Member = z.infer<typeof memberSchema>;
export const memberListSchema = listOf(memberSchema);
