import { setTimeout as wait } from 'node:timers/promises';
import { type Course, commandVariables, type Target } from './course.ts';
import type { Answer } from './hosts/session.ts';
import { commandProgram, httpProgram } from './scripts/command.ts';
import type { Program } from './scripts/program.ts';
import { Trouble } from './trouble.ts';

/** What is looked at: a release's directory, as `current` would name it. */
export interface Looked {
  directory: string;
  release: string;
  isNew: boolean;
}

/** One look, and what it showed. */
export interface HealthLook {
  healthy: boolean;
  detail: string;
  /** The connection was lost, so it says nothing about the application. */
  lost: boolean;
}

/** No address is waited for longer than this in one look. */
const LONGEST_LOOK_S = 5;
/** Between two looks: doubled each time, because most applications are up soon and some take long. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;
/** A check that does not end when it is asked to is left behind after this. */
const STOP_MS = 1000;
/** What a check writes is shown once, when it has decided. */
const MOST_OUTPUT = 64 * 1024;

/** Looks again and again until the host says that it is healthy, or throws when its time is over. */
export async function awaitHealth(course: Course, target: Target, at: Looked): Promise<void> {
  const { health } = course.deployment.environment;
  if (health === null) return;
  const end = performance.now() + health.timeoutMs;
  let said = '';
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const look = await lookAtHealth(course, target, at, end - performance.now());
    if (look.healthy) {
      target.log.say(`Healthy: ${look.detail}`);
      target.healthy = true;
      return;
    }
    target.healthy = false;
    if (look.lost) throw new Trouble('errored', look.detail, true);
    if (look.detail !== said) target.log.say(`Not healthy yet: ${look.detail}`);
    said = look.detail;
    const left = end - performance.now();
    if (left <= 0)
      throw new Trouble(
        'failed',
        `${target.name} was not healthy within ${health.timeoutMs / 1000} s: ${said}`,
      );
    await wait(Math.min(pause, left));
  }
}

/** Asks once, in at most about `leftMs`. */
export async function lookAtHealth(
  course: Course,
  target: Target,
  at: Looked,
  leftMs: number,
): Promise<HealthLook> {
  const { health } = course.deployment.environment;
  const bound = Math.max(1000, Math.min(leftMs, LONGEST_LOOK_S * 1000));
  if (health?.http) {
    const answer = await ask(target, httpProgram(health.http, Math.ceil(bound / 1000)), bound + 1000);
    if (answer.kind !== 'done') return without(answer);
    const code = answer.said.get('code') ?? '000';
    const detail = code === '000' ? `${health.http} does not answer.` : `${health.http} answered ${code}.`;
    return { healthy: /^2[0-9][0-9]$/.test(code), detail, lost: false };
  }
  const exported = commandVariables(course, target, at);
  const program = commandProgram(target.host.place, {
    target: at.directory,
    command: health?.run ?? ':',
    exported,
  });
  const answer = await ask(target, program, Math.max(1000, leftMs), true);
  if (answer.kind !== 'done') return without(answer);
  const code = answer.said.get('code');
  return { healthy: code === '0', detail: `The check ended with ${code}.`, lost: false };
}

async function ask(target: Target, program: Program, timeoutMs: number, canStop = false): Promise<Answer> {
  const output: Buffer[] = [];
  let size = 0;
  const answer = await target.host.run(program, {
    timeoutMs,
    canStop,
    stopMs: STOP_MS,
    output: (bytes) => {
      size += bytes.length;
      if (size <= MOST_OUTPUT) output.push(bytes);
    },
  });
  if (output.length > 0) target.log.output(Buffer.concat(output));
  target.log.flush();
  return answer;
}

function without(answer: Exclude<Answer, { kind: 'done' }>): HealthLook {
  return { healthy: false, detail: answer.why, lost: answer.kind === 'lost' && answer.late !== true };
}
