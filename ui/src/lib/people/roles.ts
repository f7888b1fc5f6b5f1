import type { Role, User } from '@reprise/server/auth/account.api.ts';

/** Every role, least first, and what it lets people do. */
export const ROLES: readonly { role: Role; word: string; does: string }[] = [
  { role: 'viewer', word: 'Viewer', does: 'sees everything' },
  { role: 'developer', word: 'Developer', does: 'also builds, rebuilds and cancels' },
  { role: 'deployer', word: 'Deployer', does: 'also promotes' },
  { role: 'admin', word: 'Administrator', does: 'also settings, members and runners' },
];

export function roleWord(role: Role | null): string {
  return ROLES.find((known) => known.role === role)?.word ?? 'Member of projects';
}

/** The most that a token of theirs can be: in `project`, or (empty) wherever they have most. */
export function mostRole({ role, projects }: Pick<User, 'role' | 'projects'>, project: string): Role | null {
  const held = projects.filter((membership) => project === '' || membership.project === project);
  const all = [role, ...held.map((membership) => membership.role)];
  return ROLES.findLast((known) => all.includes(known.role))?.role ?? null;
}
