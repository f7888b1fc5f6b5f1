import { readdirSync, readFileSync } from 'node:fs';

const MB = 1e6;

/** Resident memory of a process, MB: all its pages, those shared with others included. */
export function residentMb(pid: number): number {
  return kilobytes(`/proc/${pid}/status`, 'VmRSS') / MB;
}

/** Memory of a process without counting twice what several share (each counts its part), MB. */
export function proportionalMb(pid: number): number {
  return kilobytes(`/proc/${pid}/smaps_rollup`, 'Pss') / MB;
}

/** The processes that a process started, such as the embedded runner of a server. */
export function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`)
    .flatMap((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim().split(' '))
    .filter((child) => child !== '')
    .map(Number);
}

/** Looks at a process's resident memory until told to stop; `stop` gives the most it saw, MB. */
export function watchMemory(pid: number, everyMs = 25): { stop(): number } {
  let most = residentMb(pid);
  const timer = setInterval(() => {
    most = Math.max(most, residentMb(pid));
  }, everyMs);
  return {
    stop() {
      clearInterval(timer);
      return Math.max(most, residentMb(pid));
    },
  };
}

function kilobytes(file: string, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(file, 'utf8'))?.[1];
  if (found === undefined) throw new Error(`${file} has no ${field}.`);
  return Number(found) * 1024;
}
