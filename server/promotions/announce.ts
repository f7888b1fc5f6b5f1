import type { Project } from '../db/schema.ts';
import type { Services } from '../services.ts';

/** Tells watchers that promotions or hosts of a project are no longer as they were. Call it after the commit. */
export function announcePromotion({ live }: Pick<Services, 'live'>, project: Pick<Project, 'name'>): void {
  live.changed(`environments:${project.name}`, `project:${project.name}`, 'projects', 'queue', 'audit');
}
