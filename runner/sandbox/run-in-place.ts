import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { bubblewrapArguments, type SystemFiles } from './bubblewrap-arguments.ts';
import { Ending } from './ending.ts';
import { openOutputPipe } from './output-pipe.ts';
import type { Place } from './place.ts';
import type { SandboxResult, SandboxSpec } from './sandbox.ts';
import { INSIDE, stepCommand } from './step-script.ts';

/** Descriptors that bubblewrap itself takes and closes. */
const ARGUMENTS_FD = 5;
const JSON_STATUS_FD = 6;
const SECCOMP_FD = 7;

export interface Confinement {
  place: Place;
  bwrap: string;
  system: SystemFiles;
  /** A file with the filter of system calls, see system-calls.ts. */
  seccompFile: string | null;
  outputPipe: string;
  spec: SandboxSpec;
}

/** One sandbox from its start to the last of its processes. See `Sandbox.run`. */
export async function runInPlace(confinement: Confinement): Promise<SandboxResult> {
  const { spec } = confinement;
  let options: string[];
  try {
    options = optionsOf(confinement);
  } catch (error) {
    return { kind: 'broken', why: `the sandbox is refused: ${(error as Error).message}` };
  }
  const output = openOutputPipe(confinement.outputPipe);
  const seccomp = confinement.seccompFile === null ? null : openSync(confinement.seccompFile, 'r');
  const child = start(confinement, output.end, seccomp);
  // Without descriptors left a child has no streams, and what follows throws before anybody listens.
  child.on('error', ignore);
  for (const handedOver of [output.end, seccomp]) if (handedOver !== null) closeSync(handedOver);
  (child.stdio.at(ARGUMENTS_FD) as Writable)
    .on('error', ignore)
    .end(options.map((arg) => `${arg}\0`).join(''));

  const status = readText(child.stdio[INSIDE.status] as Readable, 64);
  const complaint = readText(child.stdio[2] as Readable, 2048);
  const ending = new Ending(child, child.stdio.at(JSON_STATUS_FD) as Readable, status, spec);
  try {
    await deliver(spec, child, status, output.stream);
  } catch (error) {
    ending.kill();
    throw error;
  } finally {
    output.stream.destroy();
    await ending.over;
  }
  return await judge({ ending, status: await status.whole, complaint: await complaint.whole, spec });
}

function optionsOf({ place, system, seccompFile, spec }: Confinement): string[] {
  return bubblewrapArguments({
    ...spec,
    system,
    jsonStatusFd: JSON_STATUS_FD,
    seccompFd: seccompFile === null ? null : SECCOMP_FD,
    locate: (path) => place.locate(path),
  });
}

function start({ place, bwrap, spec }: Confinement, output: number, seccomp: number | null): ChildProcess {
  const command = stepCommand({ ...spec, prepare: spec.prepare?.script });
  const [program = '', ...rest] = [
    ...place.entrance(),
    bwrap,
    '--args',
    String(ARGUMENTS_FD),
    '--',
    ...command,
  ];
  return spawn(program, rest, {
    env: {},
    cwd: '/',
    // Not in the runner's process group: a Ctrl-C at the terminal is the runner's to hear.
    detached: true,
    stdio: [
      ...['ignore', output, 'pipe', 'pipe', spec.prepare ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      ...(seccomp === null ? [] : [seccomp]),
    ] as StdioOptions,
  });
}

/** Hands over the preparation's output, then `onDone`, then the step's: until then that waits in its pipe. */
async function deliver(spec: SandboxSpec, child: ChildProcess, status: Text, step: Readable): Promise<void> {
  if (spec.prepare) {
    for await (const chunk of child.stdio[INSIDE.preparation] as Readable) await spec.onOutput(chunk);
    if (await status.says('prepared')) await spec.prepare.onDone();
  }
  for await (const chunk of step) await spec.onOutput(chunk);
}

interface Facts {
  ending: Ending;
  status: string;
  complaint: string;
  spec: SandboxSpec;
}

async function judge({ ending, status, complaint, spec }: Facts): Promise<SandboxResult> {
  const { code, signal, error } = await ending.over;
  if (error) return { kind: 'broken', why: error.message };
  if (ending.killed) return { kind: 'signalled', signal: 'SIGKILL' };
  if (code === null) return { kind: 'signalled', signal: signal ?? 'SIGKILL' };
  if (!status.includes('begun\n'))
    return {
      kind: 'broken',
      why: complaint.trim() || `bubblewrap exited with ${code} before the step began`,
    };
  if (spec.prepare && !status.includes('prepared\n')) return { kind: 'unprepared', code };
  return { kind: 'exited', code };
}

/** What a short-spoken stream says. */
export interface Text {
  /** Up to the limit, when the stream has ended. */
  whole: Promise<string>;
  /** Resolves as soon as the line was heard, or with false at the end. */
  says(line: string): Promise<boolean>;
}

function readText(stream: Readable, limit: number): Text {
  let text = '';
  const { promise: whole, resolve } = Promise.withResolvers<string>();
  stream.setEncoding('utf8');
  stream.on('data', (part) => {
    text = (text + part).slice(0, limit);
  });
  stream.once('close', () => resolve(text));
  stream.on('error', ignore);
  return {
    whole,
    says: (line) =>
      new Promise((heard) => {
        const listen = () => {
          if (!text.includes(`${line}\n`)) return;
          stream.off('data', listen);
          heard(true);
        };
        stream.on('data', listen);
        whole.then(() => heard(text.includes(`${line}\n`)));
        listen();
      }),
  };
}

function ignore(): void {}
