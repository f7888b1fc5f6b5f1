import type { ServerConfig } from '../config.ts';
import type { Project } from '../db/schema.ts';
import type { RetentionRules } from './retention.api.ts';

/** The rules in force for a project: its own, else the instance's. */
export function rulesOf(
  project: Pick<Project, 'retention'>,
  { retention }: Pick<ServerConfig, 'retention'>,
): RetentionRules {
  return project.retention === null ? retention : JSON.parse(project.retention);
}
