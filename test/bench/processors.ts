import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { childrenOf } from './memory.ts';

/** Programs that were started here, by what they are; this one, which plays the runners; and all that the machine does. */
export const PARTS = ['servers', 'PostgreSQL', 'Redis', 'S3', 'runners', 'the machine'] as const;

type Cores = Record<(typeof PARTS)[number], number>;

/** How many cores each part kept busy while `work` was done. */
export async function coresOf(work: () => Promise<unknown>): Promise<Cores> {
  const before = secondsOf();
  const began = performance.now();
  await work();
  const seconds = (performance.now() - began) / 1000;
  const after = secondsOf();
  return Object.fromEntries(PARTS.map((part) => [part, (after[part] - before[part]) / seconds])) as Cores;
}

function secondsOf(): Cores {
  const { user, system } = process.cpuUsage();
  return {
    servers: secondsOfChildren(/main\.ts server/),
    PostgreSQL: secondsOfChildren(/postgres/),
    Redis: secondsOfChildren(/redis-server/),
    S3: secondsOfChildren(/s3-server/),
    runners: (user + system) / 1e6,
    'the machine': secondsOfMachine(),
  };
}

function secondsOfChildren(words: RegExp): number {
  const commandOf = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  return childrenOf(process.pid)
    .filter((pid) => words.test(commandOf(pid)))
    .reduce((sum, pid) => sum + secondsOfTree(pid), 0);
}

/** Clock ticks a second in `/proc`: 100 on every Linux of today (`getconf CLK_TCK`). */
const TICKS = 100;

/** Processor time that a process and all that it started have used so far, what has ended included. */
function secondsOfTree(pid: number): number {
  try {
    // Behind the name, which may hold blanks: the time in programs and in the kernel, its own and its ended children's.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    const own = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS;
    return childrenOf(pid).reduce((sum, child) => sum + secondsOfTree(child), own);
  } catch {
    return 0; // It has just ended, and counts with who started it.
  }
}

function secondsOfMachine(): number {
  const [, user, nice, system, , , irq, softIrq, stolen] =
    readFileSync('/proc/stat', 'utf8').split('\n')[0]?.split(/ +/) ?? [];
  return [user, nice, system, irq, softIrq, stolen].reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS;
}

const GROUPS = '/sys/fs/cgroup/cpu';
/** Short, as who is held back may hold what others wait for; the kernel gives no less than 1 ms of it. */
const PERIOD_US = 5000;

/** Whether processes can be held to a share of a core here: control groups of the first version, and root. */
export function canHold(): boolean {
  return existsSync(`${GROUPS}/cpu.cfs_quota_us`) && process.getuid?.() === 0;
}

/** Holds each of these processes to a share of one core until disposed; null: to nothing. */
export function hold(pids: readonly number[], share: number | null): Disposable {
  const groups = share === null ? [] : pids.map((pid) => ({ pid, path: `${GROUPS}/reprise-bench-${pid}` }));
  for (const { pid, path } of groups) {
    mkdirSync(path, { recursive: true });
    writeFileSync(`${path}/cpu.cfs_period_us`, String(PERIOD_US));
    writeFileSync(`${path}/cpu.cfs_quota_us`, String(PERIOD_US * (share ?? 1)));
    writeFileSync(`${path}/cgroup.procs`, String(pid));
  }
  return {
    [Symbol.dispose]() {
      for (const { pid, path } of groups) {
        writeFileSync(`${GROUPS}/cgroup.procs`, String(pid));
        rmdirSync(path);
      }
    },
  };
}
