import type { LogLines, LogMatches } from '@reprise/server/logs/log.api.ts';
import { address, get, query } from '../api.ts';
import type { LogListener, LogSource } from './log-source.ts';

/** What names one attempt's log. */
export interface LogName {
  project: string;
  build: number;
  job: string;
  attempt: number;
}

/** Of the page's live client, what a log needs. */
export interface LiveLogs {
  watchLog(topic: string, offset: () => number, on: LogListener): () => void;
}

/** Where the log's bytes are, for downloading and for links to it. */
export function rawAddress({ project, build, job, attempt }: LogName): string {
  return `${address`/api/projects/${project}/builds/${build}/jobs/${job}/log`}${query({ attempt })}`;
}

/** An attempt's log, asked of the server. */
export function httpSource(name: LogName, live: LiveLogs): LogSource {
  const { project, build, job, attempt } = name;
  const log = address`/api/projects/${project}/builds/${build}/jobs/${job}/log`;
  return {
    lines: (what, count, signal) =>
      get<LogLines>(`${log}/lines${query({ ...what, count, attempt })}`, { signal }),
    search: (q, limit, signal) => get<LogMatches>(`${log}/search${query({ q, limit, attempt })}`, { signal }),
    async bytes(start, length, signal) {
      const headers = { range: `bytes=${start}-${start + length - 1}` };
      const response = await fetch(rawAddress(name), { headers, signal, credentials: 'same-origin' });
      if (response.status !== 206) throw new Error(`The log's bytes were answered with ${response.status}.`);
      return response.bytes();
    },
    watch: (offset, on) => live.watchLog(`log:${project}/${build}/${job}/${attempt}`, offset, on),
  };
}
