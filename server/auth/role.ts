/** What people and tokens may do, least first; each includes those before it. */
export const ROLES = ['viewer', 'developer', 'deployer', 'admin'] as const;

/**
 * `viewer`: see everything of a project. `developer`: build, rebuild, cancel, retry, let a fork's pull request run.
 * `deployer`: promote. `admin`: settings, members, runners, users.
 */
export type Role = (typeof ROLES)[number];

/** Whether who has `role` may do what needs `needed`. */
export function isAtLeast(role: Role | null, needed: Role): boolean {
  return role !== null && ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** The greater of two roles: rights given in several places add up. */
export function greater(a: Role | null, b: Role | null): Role | null {
  if (a === null || b === null) return a ?? b;
  return isAtLeast(a, b) ? a : b;
}

/** The lesser of two roles: a token never has more than its owner, nor more than its scope. */
export function lesser(a: Role | null, b: Role | null): Role | null {
  if (a === null || b === null) return null;
  return isAtLeast(a, b) ? b : a;
}
