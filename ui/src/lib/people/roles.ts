import type { Role } from '@reprise/server/auth/account.api.ts';

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
