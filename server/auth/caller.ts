import type { Runner } from '../db/schema.ts';
import { greater, isAtLeast, type Role } from './role.ts';

/** Who did something, as records and the page show it. */
export interface Actor {
  /** A user's login, `operator` for the configured token, `GitHub`, `Reprise`. */
  name: string;
  /** How: the name of an API token, else empty (in person, in the page). */
  via: string;
}

/** What nobody asked for is done in our own name. */
export const REPRISE: Actor = { name: 'Reprise', via: '' };

/** Who calls, found from a session's cookie or a bearer token and from nothing else. */
export interface Caller extends Actor {
  /** `operator` presents `REPRISE_ADMIN_TOKEN`: every right, no account. */
  kind: 'anonymous' | 'user' | 'token' | 'operator' | 'runner';
  userId: string | null;
  /** The row of `sessions` or `tokens` that lets the caller in: revoking it ends the caller's sockets. */
  credentialId: string | null;
  /** The role in every project and over the instance; null: only what `projectRoles` gives. */
  role: Role | null;
  /** Further roles, by project name. */
  projectRoles: ReadonlyMap<string, Role>;
  runner: Runner | null;
}

/** Nobody we know. */
export const ANONYMOUS: Caller = Object.freeze({
  kind: 'anonymous',
  name: 'anonymous',
  via: '',
  userId: null,
  credentialId: null,
  role: null,
  projectRoles: new Map(),
  runner: null,
});

/** Whether a person, or a program for a person: not nobody, not a runner. */
export function isSignedIn({ kind }: Caller): boolean {
  return kind === 'user' || kind === 'token' || kind === 'operator';
}

/** The role in one project: the greater of the global one and the project's own. */
export function roleIn(caller: Caller, project: string): Role | null {
  return greater(caller.role, caller.projectRoles.get(project) ?? null);
}

/** Whether a project exists for the caller. What one may not see is answered like what is not there. */
export function maySee(caller: Caller, project: string): boolean {
  return isAtLeast(roleIn(caller, project), 'viewer');
}

/** The projects to which lists must be narrowed, by name; null: all. */
export function visibleProjects(caller: Caller): readonly string[] | null {
  return isAtLeast(caller.role, 'viewer') ? null : [...caller.projectRoles.keys()];
}
