import { advanceAll } from '../promotions/advance.ts';
import type { PlacedAttempt } from '../runners/attempt.store.ts';
import type { Services } from '../services.ts';

/** Once the end of a deployment is committed: watchers hear of it, and what waits for the place goes on. */
export async function afterDeployment(
  services: Services,
  attempt: Pick<PlacedAttempt, 'project'>,
): Promise<void> {
  const { project } = attempt;
  services.live.changed(`environments:${project}`, `project:${project}`, 'projects', 'queue', 'audit');
  await advanceAll(services);
}
