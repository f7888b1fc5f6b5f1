/**
 * People who watch a log live, as a program of its own: each connects, watches, and acknowledges every piece. It says
 * `watching` when all do, and when the last of them has the whole log how much that was and its sha256, which is the same for all. Arguments: address, token, topic, how many.
 */
import { createHash } from 'node:crypto';
import { io } from 'socket.io-client';

const [address = '', token = '', topic = '', count] = process.argv.slice(2);
const viewers = Array.from({ length: Number(count) }, watch);
await Promise.all(viewers.map(({ watching }) => watching));
console.log('watching');
const seen = new Set(await Promise.all(viewers.map(({ whole }) => whole)));
console.log(`seen ${[...seen].join(' and ')}`);
process.exit();

function watch() {
  const watching = Promise.withResolvers<void>();
  const whole = Promise.withResolvers<string>();
  const hash = createHash('sha256');
  let size = 0;
  const socket = io(address, { transports: ['websocket'], auth: { token }, forceNew: true });
  socket.on('log', (chunk: { offset: number; bytes: Uint8Array; end: boolean }, acknowledge: () => void) => {
    if (chunk.offset !== size) whole.reject(new Error(`Expected offset ${size}, got ${chunk.offset}.`));
    hash.update(chunk.bytes);
    size += chunk.bytes.length;
    acknowledge();
    if (chunk.end) whole.resolve(`${size} bytes ${hash.digest('hex')}`);
  });
  socket.on('disconnect', (why) => whole.reject(new Error(`A viewer was disconnected: ${why}.`)));
  socket.emit('watch', { topic, offset: 0 }, (answer: { ok: boolean }) => {
    if (answer.ok) watching.resolve();
    else watching.reject(new Error(`${topic} cannot be watched: ${JSON.stringify(answer)}`));
  });
  return { watching: watching.promise, whole: whole.promise };
}
