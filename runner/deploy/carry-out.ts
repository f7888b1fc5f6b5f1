import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { AttemptClient } from '../attempt-client.ts';
import type { AttemptRecord } from '../record.ts';
import type { Stop, Verdict } from '../verdict.ts';
import { stopVerdict } from '../verdict.ts';
import type { Deployment, DeployResult } from './deployment.ts';
import { asLine, type FromDeployer, type ToDeployer } from './lines.ts';

const DEPLOYER = fileURLToPath(new URL('main.ts', import.meta.url));

export interface CarryOut {
  deployment: Deployment;
  /** Where the artifact's bytes are put. */
  directory: string;
  record: AttemptRecord;
  server: AttemptClient;
  /** Aborted with a `Stop`. */
  signal: AbortSignal;
}

/**
 * Has a deployment done by a process of its own, which alone is given the keys: its log goes to the job's, each of its records to the
 * server before it may act. Null: it passed; else how it ended. A cancel is passed on and heard between its acts; when the attempt is no
 * longer this runner's, the process ends at once, and the hosts stay as the records say.
 */
export async function carryOut(
  o: CarryOut,
): Promise<{ verdict: Verdict | null; result: DeployResult | null }> {
  const { server, signal } = o;
  const deployment = { ...o.deployment, artifact: await withFile(o) };
  signal.throwIfAborted();
  const child = spawn(process.execPath, [DEPLOYER], {
    env: { PATH: process.env['PATH'], LANG: 'C.UTF-8' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const say = (line: ToDeployer) => void child.stdin.write(asLine(line));
  // It may have ended just before it is spoken to; how, its last line and exit code say.
  child.stdin.on('error', () => {});
  const onStop = () => {
    if ((signal.reason as Stop).kind === 'abandoned') child.kill('SIGKILL');
    else say({ type: 'cancel' });
  };
  signal.addEventListener('abort', onStop, { once: true });
  say({ type: 'assignment', deployment });
  if (signal.aborted) onStop();
  try {
    const last = await listen(child, {
      log: (bytes) => o.record.log.write(bytes),
      record: async (number, entry) => {
        await server.recordOnHost({ number, entry });
        say({ type: 'recorded', number });
      },
    });
    if (last?.type === 'result') return { verdict: verdictOf(last.result), result: last.result };
    if (signal.aborted && (signal.reason as Stop).kind === 'abandoned')
      return { verdict: stopVerdict(signal.reason as Stop), result: null };
    const why = last?.type === 'fault' ? last.message : 'the process that deploys ended without saying how';
    return { verdict: { status: 'errored', why: why.slice(0, 4096) }, result: null };
  } finally {
    signal.removeEventListener('abort', onStop);
    child.stdin.end();
  }
}

async function withFile({
  deployment,
  directory,
  server,
  signal,
  record,
}: CarryOut): Promise<Deployment['artifact']> {
  const { artifact, kind } = deployment;
  if (artifact === null || kind === 'probe') return artifact;
  const file = join(directory, 'artifact.tar.gz');
  await server.getInput(artifact.sha256, { file, signal });
  record.say(`${artifact.fileName}, sha256 ${artifact.sha256}`);
  return { ...artifact, file };
}

/** Its lines in order, until its end; returns the last that says how it went. */
async function listen(
  child: ChildProcessWithoutNullStreams,
  on: { log(bytes: Buffer): unknown; record(number: number, entry: object): Promise<void> },
): Promise<FromDeployer | null> {
  let last: FromDeployer | null = null;
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk).slice(-2000);
  });
  const ended = once(child, 'close');
  for await (const text of createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY })) {
    const line = JSON.parse(text) as FromDeployer;
    if (line.type === 'log') await on.log(Buffer.from(line.bytes, 'base64'));
    else if (line.type === 'record') await on.record(line.number, line.entry);
    else last = line;
  }
  await ended;
  return last ?? (complaint === '' ? null : { type: 'fault', message: complaint });
}

function verdictOf({ status, why }: DeployResult): Verdict | null {
  return status === 'passed' ? null : { status, why: why ?? `the deployment ${status}` };
}
