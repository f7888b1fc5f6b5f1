import type { Build } from '../api.ts';
import { builds, wholeNumber } from './address.ts';
import { type Client, CommandFailure } from './client.ts';
import { followLog } from './follow-log.ts';

/** `reprise logs`: the bytes of a job's latest attempt, as they were written. */
export async function printLog(
  client: Client,
  o: { project: string; number: string; job: string | undefined; follow: boolean },
): Promise<void> {
  const number = wholeNumber(o.number);
  const job = o.job ?? (await onlyJob(client, o.project, number));
  await followLog(client, {
    project: o.project,
    number,
    job,
    follow: o.follow,
    write: (chunk) => process.stdout.write(chunk),
  });
}

async function onlyJob(client: Client, project: string, number: number): Promise<string> {
  const { jobs } = await client.json<Build>('GET', `${builds(project)}/${number}`);
  const [first, ...others] = jobs;
  if (first && others.length === 0) return first.name;
  if (!first) throw new CommandFailure(`${project} #${number} has no job yet.`);
  throw new CommandFailure(`Say which job: ${jobs.map(({ name }) => name).join(', ')}.`, 2);
}
