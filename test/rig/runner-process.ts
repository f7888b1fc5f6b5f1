import { fileURLToPath } from 'node:url';
import { type RepriseProcess, startProgram } from './process.ts';
import type { ProtocolServer } from './protocol-server.ts';

const MAIN = fileURLToPath(new URL('../../runner/main.ts', import.meta.url));
const entry = (options: string) => `const { runnerProcess } = await import(${JSON.stringify(MAIN)});
process.exitCode = await runnerProcess(process.env, ${options});`;

/** A module's text: a runner that ends when its standard input does. */
export const DIES_WITH_PARENT = entry('{ dieWithParent: true }');

type At = Pick<ProtocolServer, 'address' | 'token'>;

export function runnerEnv(server: At, dataDir: string): Record<string, string> {
  return {
    REPRISE_SERVER: server.address,
    REPRISE_RUNNER_TOKEN: server.token,
    REPRISE_DATA_DIR: dataDir,
  };
}

/** A runner as a process of its own, at a server of the test's. It is ready when `line(/runner ready/)` resolves. */
export function startRunnerProcess(
  server: At,
  o: { dataDir: string; env?: Record<string, string> },
): RepriseProcess {
  const env = { ...runnerEnv(server, o.dataDir), ...o.env };
  return startProgram([process.execPath, '--input-type=module', '--eval', entry('{}')], env, 'runner');
}
