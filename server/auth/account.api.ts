/** Shapes of accounts, sessions and API tokens. Instants are ISO 8601 in UTC. */
import { z } from 'zod';
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
