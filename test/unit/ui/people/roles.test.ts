import { mostRole, roleWord } from '@reprise/ui/people/roles.ts';
import { expect, test } from 'vitest';

const carol = {
  role: null,
  projects: [
    { project: 'handbook', role: 'viewer' },
    { project: 'shop', role: 'deployer' },
  ],
} as const;

test('a token is at most what its owner is there', () => {
  const user = { ...carol, projects: [...carol.projects] };
  expect(mostRole(user, 'handbook')).toBe('viewer');
  expect(mostRole(user, 'shop')).toBe('deployer');
  expect(mostRole(user, '')).toBe('deployer');
  expect(mostRole(user, 'elsewhere')).toBeNull();
  expect(mostRole({ ...user, role: 'developer' }, 'handbook')).toBe('developer');
  expect(mostRole({ role: 'admin', projects: [] }, 'shop')).toBe('admin');
});

test('who has no role everywhere is a member of projects', () => {
  expect(roleWord(null)).toBe('Member of projects');
  expect(roleWord('admin')).toBe('Administrator');
});
