import { type Caller, roleIn } from '../auth/caller.ts';
import { isAtLeast } from '../auth/role.ts';
import type { Project } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import type { Objection } from './rules.ts';

/** Refuses 409 `rule` with all that speaks against it at once, so that nobody finds it one after the other. */
export function assertNoObjection(objections: readonly Objection[]): void {
  const [first] = objections;
  if (!first) return;
  const sentence = objections.map((objection) => objection.sentence).join(' ');
  throw new Refusal(409, 'rule', sentence, { rule: first.rule, objections });
}

/** Beyond what the route asks: an environment may be for administrators only. */
export function assertMay(by: Caller, project: Project, role: 'deployer' | 'admin', what: string): void {
  if (isAtLeast(roleIn(by, project.name), role)) return;
  throw new Refusal(403, 'forbidden', `${by.name} may not ${what}: it needs the role ${role}.`);
}
