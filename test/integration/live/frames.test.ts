import { randomBytes, randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { ADMIN_TOKEN, QueueServer } from '../../rig/queue-server.ts';
import { Watcher } from '../../rig/watcher.ts';

const FRAMES = 10_000;
const FRAMES_PER_SOCKET = 50;

/** Lets a socket in, as socket.io's client does. */
const CONNECT = `40{"token":${JSON.stringify(ADMIN_TOKEN)}}`;

/** Beginnings that get past the outer layers before they turn bad. */
const ALMOST = [
  '40',
  '40{"token":',
  CONNECT,
  '421["watch",{"topic":"projects"}]',
  '421["watch",',
  '421["watch",{"topic":"log:app/1/test/1","offset":-1}]',
  '421["watch",{"topic":{"toString":1}}]',
  '421["__proto__",{}]',
  '431["log"]',
  '451-["watch",{"_placeholder":true,"num":0}]',
  '459999999-["watch"]',
  '40/admin,',
  '4',
  '2probe',
  '5',
  '6',
  '1',
  '',
];

test('ten thousand frames of rubbish end their own sockets, and nothing else', async () => {
  await using server = await QueueServer.start();
  using watcher = new Watcher(server.address, ADMIN_TOKEN);
  await watcher.connected();
  expect(await watcher.watch('projects')).toMatchObject({ ok: true });
  const heard = watcher.changes('projects');
  const lost: string[] = [];
  watcher.socket.on('disconnect', (why) => lost.push(why));
  for (let sent = 0; sent < FRAMES; sent += FRAMES_PER_SOCKET) await flood(server.address);
  expect(lost).toEqual([]);
  expect((await fetch(`${server.address}/readyz`)).status).toBe(200);
  server.services.live.changed('projects');
  await expect.poll(() => heard.length).toBe(1);
});

/** Opens a socket, sends rubbish in it, and resolves when either side has closed it. */
function flood(address: string): Promise<void> {
  const socket = new WebSocket(`${address.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.addEventListener('open', () => {
    if (randomInt(2) === 0) socket.send(CONNECT);
    for (let n = 0; n < FRAMES_PER_SOCKET; n++) socket.send(rubbish());
    socket.close();
  });
  socket.addEventListener('close', () => resolve());
  socket.addEventListener('error', () => resolve());
  return promise;
}

function rubbish(): string | Uint8Array<ArrayBuffer> {
  const kind = randomInt(3);
  if (kind === 0) return new Uint8Array(randomBytes(randomInt(2000)));
  const text = ALMOST[randomInt(ALMOST.length)] ?? '';
  return kind === 1 ? text : text + randomBytes(randomInt(200)).toString('latin1');
}
