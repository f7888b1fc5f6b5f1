import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { setup } from '../rig/setup.ts';
import type { Benchmark, Context } from './benchmark.ts';
import { buildList } from './build-list.ts';
import { claim } from './claim.ts';
import { coldStart } from './cold-start.ts';
import { endChildren, within } from './deadline.ts';
import { deployToHosts } from './deploy/deploy-to-hosts.ts';
import { firstByte } from './first-byte.ts';
import { gitBuildLarge } from './git-build-large.ts';
import { gitBuildSmall } from './git-build-small.ts';
import { idleMemory } from './idle-memory.ts';
import { jobsPerSecond } from './jobs-per-second.ts';
import { logPage } from './log-page.ts';
import { logRead } from './log-read.ts';
import { logWrite } from './log-write.ts';
import { packing } from './packing.ts';
import { pageLoad } from './page-load.ts';
import { projectList } from './project-list.ts';
import { type Row, rowsOf, tableOf } from './table.ts';
import { twoServers } from './two-servers.ts';
import { webhookAnswer } from './webhook-answer.ts';
import { webhookRate } from './webhook-rate.ts';
import { webhookToFinished } from './webhook-to-finished.ts';

const BENCHMARKS: readonly Benchmark[] = [
  webhookAnswer,
  webhookRate,
  webhookToFinished,
  firstByte,
  gitBuildSmall,
  gitBuildLarge,
  jobsPerSecond,
  twoServers,
  packing,
  logWrite,
  logRead,
  logPage,
  idleMemory,
  coldStart,
  buildList,
  projectList,
  pageLoad,
  deployToHosts,
  claim,
];

const USAGE = `npm run bench -- [--only NAME[,NAME]] [--rounds N] [--json FILE]

${BENCHMARKS.map(({ name, what }) => `  ${name.padEnd(20)} ${what}`).join('\n')}`;

/** A benchmark takes half a minute; on a machine that is much too busy this ends it. */
const MOST_MS = 5 * 60_000;

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    endChildren();
    process.exit(1);
  });
}

const tidyUp = await setup();
process.exitCode = await main();
await tidyUp?.();
// What was given up may still wait for something.
process.exit();

/** 0: everything was measured; 1: something could not be; 2: used wrongly. A missed goal is not a failure. */
async function main(): Promise<0 | 1 | 2> {
  const options = readOptions();
  if (typeof options === 'string') {
    console.error(`${options}\n\n${USAGE}`);
    return 2;
  }
  const started = performance.now();
  const rows: Row[] = [];
  const failed: string[] = [];
  for (const benchmark of options.chosen) {
    try {
      const figures = await within(MOST_MS, benchmark.run(context(benchmark, options.rounds)));
      const measured = rowsOf(benchmark, figures);
      rows.push(...measured);
      clearProgress();
      console.log(tableOf(benchmark, measured));
    } catch (error) {
      clearProgress();
      failed.push(benchmark.name);
      console.log(
        `${benchmark.name} could not be measured:\n${error instanceof Error ? error.stack : error}\n`,
      );
    }
  }
  const seconds = (performance.now() - started) / 1000;
  const missed = rows.filter(({ reached }) => reached === false).length;
  console.log(
    `${rows.length} figures in ${seconds.toFixed(0)} s, ${missed} goals missed, ${failed.length} failed.`,
  );
  if (options.json) {
    writeFileSync(
      options.json,
      `${JSON.stringify({ machine: machine(), seconds, rows, failed }, null, 2)}\n`,
    );
  }
  return failed.length > 0 ? 1 : 0;
}

/** What was asked for, or what is wrong with it. */
function readOptions(): { chosen: readonly Benchmark[]; rounds: number; json: string | undefined } | string {
  try {
    const { values } = parseArgs({
      options: { only: { type: 'string' }, rounds: { type: 'string' }, json: { type: 'string' } },
    });
    const names = values.only?.split(',');
    const unknown = names?.find((name) => !BENCHMARKS.some((benchmark) => benchmark.name === name));
    if (unknown !== undefined) return `There is no benchmark ${unknown}.`;
    const rounds = Number(values.rounds ?? 5);
    if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) return '--rounds must be from 1 to 100.';
    const chosen = BENCHMARKS.filter(({ name }) => names?.includes(name) ?? true);
    return { chosen, rounds, json: values.json };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function context({ name }: Benchmark, rounds: number): Context {
  return {
    rounds,
    say(text) {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${name}: ${text}`);
    },
  };
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
}

/** Where it was measured: a figure of another machine, or of a busy one, is not comparable. */
function machine() {
  return {
    at: new Date().toISOString(),
    node: process.version,
    cpu: cpus()[0]?.model ?? '',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    load: loadavg(),
  };
}
