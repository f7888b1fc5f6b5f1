/**
 * Runs a command so often, so many at once, from a small Node process, and prints the seconds that took. Arguments: how
 * often, how many at once, the command.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const [times, atOnce, program = '', ...words] = process.argv.slice(2);
let left = Number(times);
const start = performance.now();
await Promise.all(Array.from({ length: Number(atOnce) }, work));
console.log((performance.now() - start) / 1000);

async function work(): Promise<void> {
  while (left > 0) {
    left -= 1;
    const [code] = await once(spawn(program, words, { stdio: 'ignore' }), 'exit');
    if (code !== 0) throw new Error(`${program} ended with ${code}.`);
  }
}
