import type { Build } from '@reprise/server/api.ts';
import { address } from '../api.ts';

type Named = Pick<Build, 'project' | 'number'>;

/** A build's page. */
export function buildAddress(project: string, number: number): string {
  return address`/projects/${project}/builds/${number}`;
}

/** Where an artifact is downloaded, at this page's own origin, whatever the server thinks its public address is. */
export function downloadAddress({ project, number }: Named, fileName: string): string {
  return address`/api/projects/${project}/builds/${number}/artifacts/${fileName}`;
}
