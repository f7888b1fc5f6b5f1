import { createHmac, randomUUID } from 'node:crypto';
import { examplesOf } from '../rig/github-examples.ts';
import type { RigProject } from '../rig/reprise.ts';
import type { Client } from './client.ts';

/** A push's webhook, ready to be sent: nothing of it is made while time is taken. */
export interface SignedPush {
  headers: Record<string, string>;
  body: Buffer;
}

/** The fifth of GitHub's own examples is a push of one commit to a branch, 7.7 KB. */
const EXAMPLE = 4;

/** GitHub's own example of a push, about this commit of this project, signed with its secret. */
export function signedPush(project: Pick<RigProject, 'name' | 'webhook'>, after: string): SignedPush {
  const payload = structuredClone(examplesOf('push')[EXAMPLE]) as ExamplePush;
  payload.ref = 'refs/heads/main';
  payload.after = after;
  payload.repository.full_name = `example/${project.name}`;
  for (const commit of [payload.head_commit, ...payload.commits]) commit.id = after;
  const body = Buffer.from(JSON.stringify(payload));
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'GitHub-Hookshot/test',
      'x-github-event': 'push',
      'x-github-delivery': randomUUID(),
      'x-hub-signature-256': `sha256=${createHmac('sha256', project.webhook.secret).update(body).digest('hex')}`,
    },
  };
}

/** Sends it; the milliseconds until it was answered, and the build's number. */
export async function sendPush(
  client: Client,
  project: Pick<RigProject, 'name'>,
  push: SignedPush,
): Promise<{ ms: number; number: number }> {
  const { ms, body } = await client.ask(`/webhooks/github/${project.name}`, { method: 'POST', ...push });
  const { builds } = JSON.parse(body.toString()) as { builds?: { number: number }[] };
  const [build] = builds ?? [];
  if (!build) throw new Error(`The push led to no build: ${body}`);
  return { ms, number: build.number };
}

interface ExamplePush {
  ref: string;
  after: string;
  repository: { full_name: string };
  head_commit: { id: string };
  commits: { id: string }[];
}
