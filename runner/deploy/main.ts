import { createInterface } from 'node:readline';
import { z } from 'zod';
import { Redactor } from '../redact.ts';
import { deploy } from './deploy.ts';
import type { Deployment, HostRecord } from './deployment.ts';
import { asLine, type FromDeployer, toDeployer } from './lines.ts';

/**
 * The process that deploys: it alone holds the keys, and does one assignment. See `lines.ts` for what is said on its standard input
 * and output.
 */
const cancel = new AbortController();
const waiting = new Map<number, () => void>();
let records = 0;
let begun = false;
let draining: Promise<void> | undefined;

createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })
  .on('line', hear)
  // Whoever started this is gone: nothing could be recorded any more. The connections end with this process.
  .on('close', () => process.exit(1));

process.on('SIGTERM', () => cancel.abort()).on('SIGINT', () => cancel.abort());

function hear(line: string): void {
  const said = toDeployer.safeParse(parse(line));
  if (!said.success) {
    // Only paths and rules: the line holds keys.
    void leave(
      { type: 'fault', message: `What was said is not understood: ${z.prettifyError(said.error)}` },
      1,
    );
    return;
  }
  if (said.data.type === 'cancel') cancel.abort();
  else if (said.data.type === 'recorded') {
    waiting.get(said.data.number)?.();
    waiting.delete(said.data.number);
  } else if (!begun) {
    begun = true;
    void carryOut(said.data.deployment);
  }
}

async function carryOut(deployment: Deployment): Promise<void> {
  const secrets = [...Object.values(deployment.secrets), deployment.sshKey ?? ''].filter(
    (value) => value !== '',
  );
  const redactor = new Redactor(secrets);
  const mask = (text: string) => {
    const once = new Redactor(secrets);
    return Buffer.concat([once.push(Buffer.from(text)), once.end()]).toString();
  };
  const log = (bytes: Uint8Array) =>
    bytes.length > 0 ? say({ type: 'log', bytes: Buffer.from(bytes).toString('base64') }) : undefined;
  const masked = <T>(value: T): T =>
    JSON.parse(JSON.stringify(value), (_, inner) => (typeof inner === 'string' ? mask(inner) : inner));
  try {
    const result = await deploy(deployment, {
      record: async (entry: HostRecord) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        records += 1;
        waiting.set(records, resolve);
        void say({ type: 'record', number: records, entry: masked(entry) });
        await promise;
      },
      log: (bytes) => log(redactor.push(Buffer.from(bytes))),
      signal: cancel.signal,
    });
    void log(redactor.end());
    await leave({ type: 'result', result: masked(result) }, 0);
  } catch (error) {
    void log(redactor.end());
    const message = mask(error instanceof Error ? (error.stack ?? error.message) : String(error));
    await leave({ type: 'fault', message }, 1);
  }
}

/** A promise when the reader is behind. */
function say(line: FromDeployer): undefined | Promise<void> {
  if (process.stdout.write(asLine(line))) return undefined;
  draining ??= new Promise((resolve) => {
    process.stdout.once('drain', () => {
      draining = undefined;
      resolve();
    });
  });
  return draining;
}

async function leave(line: FromDeployer, code: number): Promise<void> {
  await new Promise((written) => process.stdout.write(asLine(line), written));
  process.exit(code);
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
