/**
 * A program that does what a runner does with its sandbox and nothing else, for tests that need one as a process of its own: to be
 * killed, to be another user, to have inherited something. `node small-runner.ts DIRECTORY SCRIPT [COMMAND BETWEEN]`
 *
 * Prints the step's output and, last, its result as a line of JSON; or why there is no sandbox. With a third argument that command runs on the
 * host with the place's process as `$PLACE`, and then the script once more.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { openSandbox } from '@reprise/runner/sandbox/open-sandbox.ts';
import { attemptDirectories, STEP_ENV } from './rig.ts';

const [directory = '', script = '', between] = process.argv.slice(2);
mkdirSync(directory, { recursive: true, mode: 0o711 });
const options = { roots: [directory], stateDir: `${directory}/sandbox` };
const sandbox = await openSandbox('auto', options).catch((error: Error) => refuse(error.message));
const found = await sandbox.probe();
if (!found.ok) refuse(found.why);
const slot = await sandbox.openSlot(0);
const attempt = attemptDirectories(`${directory}/attempt`, slot);

const run = async () => {
  const result = await sandbox.run({
    slot,
    ...attempt,
    readOnly: [],
    writable: [],
    env: STEP_ENV,
    argv: ['/bin/sh', '-c', script],
    cwd: '/workspace',
    network: 'egress',
    onOutput: (chunk) => {
      writeSync(1, chunk);
    },
    signal: new AbortController().signal,
    killGraceMs: 1000,
  });
  writeSync(1, `${JSON.stringify({ ...result, owner: slot.owner })}\n`);
};

await run();
if (between !== undefined) {
  const place = readdirSync('/proc').find((pid) => isChildNamed(pid, 'cat')) ?? '';
  execFileSync('/bin/sh', ['-c', between], { env: { ...process.env, PLACE: place } });
  await run();
}
await sandbox.close();

function refuse(why: string): never {
  writeSync(1, why);
  process.exit(1);
}

function isChildNamed(pid: string, name: string): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.includes(`(${name}) `) && stat.split(') ')[1]?.split(' ')[1] === String(process.pid);
  } catch {
    return false;
  }
}
