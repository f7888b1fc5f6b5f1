import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Deployment, DeployResult, HostRecord } from '@reprise/runner/deploy/deployment.ts';
import { fromDeployer } from '@reprise/runner/deploy/lines.ts';

const MAIN = fileURLToPath(new URL('../../../runner/deploy/main.ts', import.meta.url));

/** One process that deploys. `heard` is asked at each record, and answers whether it is acknowledged. */
export function startDeployer(given: Deployment, heard: (entry: HostRecord, child: ChildProcess) => boolean) {
  const child = spawn(process.execPath, [MAIN], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] },
  });
  const records: HostRecord[] = [];
  const log: Buffer[] = [];
  let result: DeployResult | null = null;
  let fault: string | null = null;
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  child.stdin.on('error', () => undefined);
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = fromDeployer.parse(JSON.parse(text));
    if (line.type === 'log') log.push(Buffer.from(line.bytes, 'base64'));
    else if (line.type === 'result') result = line.result;
    else if (line.type === 'fault') fault = line.message;
    else {
      records.push(line.entry);
      if (heard(line.entry, child)) tell({ type: 'recorded', number: line.number });
    }
  });
  const tell = (value: object) => child.stdin.write(`${JSON.stringify(value)}\n`);
  tell({ type: 'assignment', deployment: given });
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return {
    child,
    records,
    tell,
    async end() {
      const code = await ended;
      return { code, result, fault, errors, log: Buffer.concat(log).toString() };
    },
  };
}
