/**
 * People who watch a log live, as a program of its own: each connects, watches, and acknowledges every piece. It says
 * `watching` when all do, and prints when the last of them has the whole log. Arguments: address, token, topic, how many.
 */
import { io } from 'socket.io-client';

const [address = '', token = '', topic = '', count] = process.argv.slice(2);
const viewers = Array.from({ length: Number(count) }, watch);
await Promise.all(viewers.map(({ watching }) => watching));
console.log('watching');
const sizes = await Promise.all(viewers.map(({ whole }) => whole));
console.log(`seen ${Math.min(...sizes)} bytes`);
process.exit();

function watch() {
  const watching = Promise.withResolvers<void>();
  const whole = Promise.withResolvers<number>();
  const socket = io(address, { transports: ['websocket'], auth: { token }, forceNew: true });
  socket.on('log', (chunk: { offset: number; bytes: Uint8Array; end: boolean }, acknowledge: () => void) => {
    acknowledge();
    if (chunk.end) whole.resolve(chunk.offset + chunk.bytes.length);
  });
  socket.on('disconnect', (why) => whole.reject(new Error(`A viewer was disconnected: ${why}.`)));
  socket.emit('watch', { topic, offset: 0 }, (answer: { ok: boolean }) => {
    if (answer.ok) watching.resolve();
    else watching.reject(new Error(`${topic} cannot be watched: ${JSON.stringify(answer)}`));
  });
  return { watching: watching.promise, whole: whole.promise };
}
