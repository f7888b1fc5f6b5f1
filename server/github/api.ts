import type { request } from '@octokit/request';
import type { GithubApi } from '../config.ts';

/** GitHub's REST API, asked with this installation's token. */
export type Github = typeof request;

/** One question; what takes longer is tried again. */
const PATIENCE_MS = 10_000;

/** The version of the API whose shapes are meant (docs.github.com/rest/about-the-rest-api/api-versions). */
const API_VERSION = '2022-11-28';

export async function connectGithub({ apiUrl, token }: GithubApi): Promise<Github> {
  const { request } = await import('@octokit/request');
  return request.defaults({
    baseUrl: apiUrl,
    headers: {
      authorization: `Bearer ${token.reveal()}`,
      'user-agent': 'Reprise',
      'x-github-api-version': API_VERSION,
    },
    request: {
      fetch: (url: string, init: RequestInit) =>
        fetch(url, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) }),
    },
  });
}

/**
 * How long to wait before GitHub is asked again, in milliseconds. null: it has understood and says no, so asking again changes nothing. A
 * limit on the rate of requests says itself when it ends (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
 */
export function retryAfterMs(fault: unknown, o: { tries: number; now: number }): number | null {
  const { status = 0, response } = fault as Partial<RequestError>;
  const { headers = {} } = response ?? {};
  const isLimited =
    status === 429 ||
    (status === 403 && (headers['x-ratelimit-remaining'] === '0' || headers['retry-after']));
  if (isLimited) {
    const seconds = Number(headers['retry-after']);
    const resetAt = Number(headers['x-ratelimit-reset']) * 1000;
    const waitMs = seconds > 0 ? seconds * 1000 : resetAt - o.now;
    return Math.min(Math.max(waitMs || 0, LEAST_PAUSE_MS), LONGEST_PAUSE_MS);
  }
  if (status >= 400 && status < 500) return null;
  return Math.min(1000 * 2 ** o.tries, MOST_BACKOFF_MS);
}

/** GitHub asks for at least a minute where it does not say how long. */
const LEAST_PAUSE_MS = 60_000;
/** Limits are counted by the hour. */
const LONGEST_PAUSE_MS = 3_600_000;
const MOST_BACKOFF_MS = 300_000;

/** What octokit throws, as far as it is looked at; 500 where nobody answered. */
interface RequestError {
  status: number;
  response: { headers: Partial<Record<string, string>> };
}
