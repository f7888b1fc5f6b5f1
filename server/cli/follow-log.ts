import type { Build } from '../api.ts';
import { builds } from './address.ts';
import { type Client, refusalOf } from './client.ts';

export interface LogRequest {
  project: string;
  number: number;
  job: string;
  /** Stay until the job has ended. */
  follow: boolean;
  write(chunk: Uint8Array): void;
}

/** Writes a log from its start; with `follow`, asks on from the byte it has until the job has ended. */
export async function followLog(client: Client, o: LogRequest): Promise<void> {
  const build = `${builds(o.project)}/${o.number}`;
  let offset = 0;
  for (;;) {
    const before = o.follow ? await client.json<Build>('GET', build) : null;
    offset += await writeRest(client, `${build}/jobs/${encodeURIComponent(o.job)}/log`, offset, o.write);
    const job = before?.jobs.find(({ name }) => name === o.job);
    if (!job || job.finishedAt !== null) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

const POLL_MS = 150;

async function writeRest(
  client: Client,
  path: string,
  offset: number,
  write: LogRequest['write'],
): Promise<number> {
  const response = await client.get(path, offset > 0 ? { range: `bytes=${offset}-` } : {});
  if (response.status === 416) {
    await response.body?.cancel();
    return 0;
  }
  if (!response.ok) throw await refusalOf(response);
  let written = 0;
  for await (const chunk of response.body ?? []) {
    write(chunk);
    written += chunk.length;
  }
  return written;
}
