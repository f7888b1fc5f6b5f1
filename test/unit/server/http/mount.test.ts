import { mount } from '@reprise/server/http/mount.ts';
import { POLICIES, type Policy, type Route } from '@reprise/server/http/route.ts';
import { Vault } from '@reprise/server/vault.ts';
import express from 'express';
import { expect, test } from 'vitest';
import { tempDir } from '../../../rig/temp.ts';

/** Mounts one route with this policy, as the server does when it starts. */
function mountOne(policy: unknown): void {
  using dir = tempDir();
  const open: Route = {
    method: 'get',
    path: '/api/open',
    policy: policy as Policy,
    summary: 'Anything.',
    handle: () => 'in',
  };
  mount(express(), [open], {
    authenticate: async () => null,
    vault: Vault.open(dir.path, null),
    publicUrl: () => 'http://127.0.0.1',
  });
}

test.each([undefined, null, '', 'everybody', 'toString', ['public']])(
  'a server with a route whose policy is %j does not start, and says which',
  (policy) => {
    expect(() => mountOne(policy)).toThrow(/GET \/api\/open does not declare who may call it/);
  },
);

test.each(POLICIES)('the policy %s is known', (policy) => {
  expect(() => mountOne(policy)).not.toThrow();
});
