import type { DeploymentAnswer } from '@reprise/server/promotions/promotion.api.ts';
import { address } from '../api.ts';

/** An environment's page. */
export function environmentAddress(project: string, environment: string): string {
  return address`/projects/${project}/environments/${environment}`;
}

/** A deployment unfolded in the history of its environment. */
export function historyAddress(deployment: Pick<DeploymentAnswer, 'id' | 'project' | 'environment'>): string {
  const { id, project, environment } = deployment;
  return `${environmentAddress(project, environment)}?deployment=${encodeURIComponent(id)}`;
}
