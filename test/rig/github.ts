import { createHmac, randomUUID } from 'node:crypto';

/** What a delivery is sent with, beyond its body. */
export interface Delivery {
  url: string;
  secret: string;
  event: string;
  payload: unknown;
  /** `X-GitHub-Delivery`; a new one unless told. */
  guid?: string;
}

/** Sends a webhook as GitHub does: JSON, signed over the raw bytes. */
export function deliver({ url, secret, event, payload, guid = randomUUID() }: Delivery): Promise<Response> {
  const body = JSON.stringify(payload);
  return fetch(url, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'GitHub-Hookshot/test',
      'x-github-event': event,
      'x-github-delivery': guid,
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    },
  });
}

/** The payload of a push to a branch, with the members that GitHub always sends. */
export function pushPayload(o: {
  github: string;
  branch: string;
  after: string;
  before?: string;
  message?: string;
  created?: boolean;
  forced?: boolean;
}) {
  const commit = {
    id: o.after,
    message: o.message ?? 'A commit',
    timestamp: '2026-01-01T00:00:00Z',
    author: { name: 'Ada Example', email: 'ada@example.test' },
    added: [],
    removed: [],
    modified: ['README'],
  };
  return {
    ref: `refs/heads/${o.branch}`,
    before: o.before ?? '0'.repeat(40),
    after: o.after,
    created: o.created ?? o.before === undefined,
    deleted: false,
    forced: o.forced ?? false,
    base_ref: null,
    compare: `https://github.com/${o.github}/compare`,
    commits: [commit],
    head_commit: commit,
    repository: {
      id: 1,
      full_name: o.github,
      default_branch: 'main',
      clone_url: `https://github.com/${o.github}.git`,
    },
    pusher: { name: 'ada' },
    sender: { login: 'ada' },
  };
}
