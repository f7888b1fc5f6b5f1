import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AttemptClient } from '@reprise/runner/attempt-client.ts';
import { Client } from '@reprise/runner/client.ts';
import { expect, test } from 'vitest';

const NEVER = new AbortController().signal;

test('an input for which the disk has no space is not asked for again', async () => {
  await using server = await serving(200);
  const got = server.client.getInput('a'.repeat(64), { file: '/dev/full', signal: NEVER });
  await expect(got).rejects.toThrow('ENOSPC');
});

test('an input that a server does not give is waited for until the job is cancelled', async () => {
  await using server = await serving(503);
  const cancel = new AbortController();
  const got = server.client.getInput('a'.repeat(64), { file: '/dev/null', signal: cancel.signal });
  await once(server.http, 'request');
  cancel.abort(new Error('cancelled'));
  await expect(got).rejects.toThrow('cancelled');
});

async function serving(status: number) {
  const http = createServer((_, response) => response.writeHead(status).end('x'.repeat(1000)));
  await once(http.listen(0, '127.0.0.1'), 'listening');
  const client = new Client(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, () => 'token');
  return {
    http,
    client: new AttemptClient(client, { attempt: 'attempt01', fence: 'f' }, { signal: NEVER, timeScale: 1 }),
    async [Symbol.asyncDispose]() {
      client.close();
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
    },
  };
}
