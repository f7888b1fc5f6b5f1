import { fileURLToPath } from 'node:url';
import { type RepriseProcess, startProgram } from './process.ts';
import type { ProtocolServer } from './protocol-server.ts';

const MAIN = fileURLToPath(new URL('../../runner/main.ts', import.meta.url));
const ENTRY = `const { runnerProcess } = await import(${JSON.stringify(MAIN)});
process.exitCode = await runnerProcess(process.env);`;

/** A runner as a process of its own, at a server of the test's. It is ready when `line(/runner ready/)` resolves. */
export function startRunnerProcess(
  server: Pick<ProtocolServer, 'address' | 'token'>,
  o: { dataDir: string; env?: Record<string, string> },
): RepriseProcess {
  const env = {
    REPRISE_SERVER: server.address,
    REPRISE_RUNNER_TOKEN: server.token,
    REPRISE_DATA_DIR: o.dataDir,
    ...o.env,
  };
  return startProgram([process.execPath, '--input-type=module', '--eval', ENTRY], env, 'runner');
}
