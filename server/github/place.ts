/** A repository at GitHub. */
export interface Place {
  owner: string;
  repo: string;
}

/** From `owner/name`, as projects record it. */
export function placeOf(github: string): Place {
  const [owner = '', repo = ''] = github.split('/');
  return { owner, repo };
}

/** GitHub refuses descriptions of statuses that are longer (422). */
const LONGEST = 140;

export function shortened(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1).toWellFormed()}…`;
}
