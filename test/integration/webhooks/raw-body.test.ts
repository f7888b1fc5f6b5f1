import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Refusal } from '@reprise/server/http/refusal.ts';
import { rawBodyReader } from '@reprise/server/webhooks/raw-body.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

const limits = { limit: 1000, timeoutMs: 20_000, small: 100, mostHeld: 1500 };
const read = rawBodyReader(limits);
const readSoon = rawBodyReader({ ...limits, timeoutMs: 100 });
const answers = createServer((request, response) => {
  const reading = request.url === '/soon' ? readSoon : read;
  reading(request).then(
    (body) => response.end(`${body.length}`),
    (refusal: Refusal) => {
      response.statusCode = refusal instanceof Refusal ? refusal.status : 500;
      response.end();
    },
  );
});
let port = 0;

beforeAll(async () => {
  answers.listen(0, '127.0.0.1');
  await once(answers, 'listening');
  port = (answers.address() as AddressInfo).port;
});
afterAll(() => {
  answers.close();
  answers.closeAllConnections();
});

/** Begins a request and sends some of its body. */
function begin(bytes: number, path = '/') {
  const sending = request({ port, host: '127.0.0.1', method: 'POST', path });
  const status = once(sending, 'response').then(([response]) => {
    response.resume();
    return response.statusCode as number;
  });
  sending.write(Buffer.alloc(bytes));
  return { sending, status };
}

test('a body that drips is given up after the time, and its connection cut', async () => {
  const { sending, status } = begin(10, '/soon');
  const closed = once(sending, 'close');
  expect(await status).toBe(408);
  await closed;
});

test('a body of just the limit is read, a byte more is not', async () => {
  for (const [bytes, expected] of [
    [1000, 200],
    [1001, 413],
  ] as const) {
    const { sending, status } = begin(bytes);
    sending.end();
    expect(await status).toBe(expected);
  }
});

test('a body that does not stop is cut', async () => {
  const { sending, status } = begin(2001);
  expect(await status).toBe(413);
  await once(sending, 'close');
});

test('large bodies share a bound, small ones are taken all the same', async () => {
  const first = begin(900);
  await arrived();
  const second = begin(900);
  second.sending.end();
  expect(await second.status).toBe(503);
  const small = begin(100);
  small.sending.end();
  expect(await small.status).toBe(200);
  first.sending.end();
  expect(await first.status).toBe(200);
  const later = begin(900);
  later.sending.end();
  expect(await later.status).toBe(200);
});

/** A request that was begun before has been read by the time another is answered. */
async function arrived(): Promise<void> {
  const { sending, status } = begin(1);
  sending.end();
  await status;
}
