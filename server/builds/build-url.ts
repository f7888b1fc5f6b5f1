import type { Services } from '../services.ts';

/** The page of a build, for people, logs and `REPRISE_BUILD_URL`. */
export function buildUrl(services: Pick<Services, 'publicUrl'>, project: string, build: number): string {
  return `${services.publicUrl()}/projects/${project}/builds/${build}`;
}
