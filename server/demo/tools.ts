import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { CommandFailure } from '../cli/client.ts';

/** The program that a build needs and the Debian package that brings it. */
const TOOLS = [
  ['bwrap', 'bubblewrap'],
  ['slirp4netns', 'slirp4netns'],
  ['ip', 'iproute2'],
] as const;

/** Names what is missing for sandboxes and, as root on Debian or Ubuntu, installs it after saying (on a terminal: asking) so. */
export async function provideTools(say: (line: string) => void): Promise<void> {
  const missing = TOOLS.filter(([program]) => !isOnPath(program)).map(([, name]) => name);
  if (missing.length === 0) return;
  const packages = missing.join(' ');
  say(`Builds run in a sandbox, which needs: ${packages}.`);
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new CommandFailure(`Install it first, for example: sudo apt-get install ${packages}`);
  }
  if (process.stdin.isTTY && !(await isYes(`Install with apt-get now? [Y/n] `))) {
    throw new CommandFailure(`Not installed. By hand: apt-get install ${packages}`);
  }
  say(`Installing with apt-get: ${packages}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  execFileSync('apt-get', ['update', '-qq'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

function isOnPath(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$0"', program], { stdio: 'ignore' }).status === 0;
}

async function isYes(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(question);
  terminal.close();
  return /^(y|yes)?$/i.test(answer.trim());
}
