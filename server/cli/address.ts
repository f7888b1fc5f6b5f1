import { CommandFailure } from './client.ts';

/** Where a project's builds are. */
export function builds(project: string): string {
  return `/api/projects/${encodeURIComponent(project)}/builds`;
}

/** A build's number as people write it: `12` or `#12`. */
export function wholeNumber(text: string): number {
  const number = Number(text.replace(/^#/, ''));
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new CommandFailure(`"${text}" is not a build's number.`, 2);
}
