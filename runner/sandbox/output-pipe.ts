import { chmodSync, chownSync, closeSync, constants, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { readProgram } from '../process.ts';

/**
 * A slot's named pipe for what steps print. What Node makes for a child's output is a socket, and `echo x > /dev/stderr`
 * fails on one; a named pipe works, when it belongs to the user who opens it again. One after the other uses it.
 */
export async function makeOutputPipe(
  path: string,
  owner: { uid: number; gid: number } | null,
): Promise<void> {
  rmSync(path, { force: true });
  const made = await readProgram(['/usr/bin/mkfifo', '--mode=0600', path]);
  if (made.code !== 0) throw new Error(`mkfifo ${path}: ${made.output.trim()}`);
  chmodSync(path, 0o600);
  if (owner) chownSync(path, owner.uid, owner.gid);
}

/** `end` is for the child and to be closed here once it has it; `stream` then ends when the last process of the step does. */
export function openOutputPipe(path: string): { stream: Socket; end: number } {
  const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const end = openSync(path, constants.O_WRONLY);
    return { stream: new Socket({ fd: reading, readable: true, writable: false }), end };
  } catch (error) {
    closeSync(reading);
    throw error;
  }
}
