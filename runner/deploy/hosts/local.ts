import { spawn } from 'node:child_process';
import { mkdirSync, realpathSync } from 'node:fs';
import { userInfo } from 'node:os';
import { SYSTEM_PATH } from '../../process.ts';
import { LOCAL_READER, type Program } from '../scripts/program.ts';
import type { Host } from './host.ts';
import { type RunOptions, Said, Session } from './session.ts';

/**
 * This machine, with the same programs that other hosts get. They refuse to leave `localRoot`, which is made when missing; without
 * one, nothing is run at all. Commands see the login's usual variables and nothing of this process's own.
 */
export function localHost(path: string, localRoot: string | null): Host {
  let root: string | null = null;
  if (localRoot !== null) {
    mkdirSync(localRoot, { recursive: true });
    root = realpathSync(localRoot);
  }
  return {
    name: 'local',
    // The root itself may be reached through a link, and is then named by what it is.
    place: {
      path: root !== null && localRoot !== null ? below(path, localRoot, root) : path,
      root: root ?? '',
    },
    async run(program: Program, options: RunOptions) {
      if (root === null) {
        return { kind: 'refused', why: REFUSED, said: new Said([]) };
      }
      const { username, homedir, shell } = userInfo();
      const env = {
        PATH: `/usr/local/bin:${SYSTEM_PATH}`,
        HOME: homedir,
        USER: username,
        LOGNAME: username,
        SHELL: shell ?? '/bin/sh',
      };
      await using session = new Session(spawn('/bin/sh', ['-c', LOCAL_READER], { env, cwd: '/' }));
      return await session.run(program, options);
    },
    abandon: () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

const REFUSED =
  'Deploying to local is not allowed here: set REPRISE_LOCAL_DEPLOY_ROOT to the directory below which it may be.';

function below(path: string, given: string, root: string): string {
  const prefix = given.replace(/\/+$/, '');
  return path === prefix || path.startsWith(`${prefix}/`) ? root + path.slice(prefix.length) : path;
}
