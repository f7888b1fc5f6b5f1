import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { startSshd, type TestSshd } from '../sshd.ts';
import { tempDir } from '../temp.ts';

/** Only root can give each of several hosts on one machine a file system of its own. */
export const isRoot = process.getuid?.() === 0;

/** A host: a real sshd in a mount namespace of its own, where `site` is a directory that no other host sees. */
interface TestHost {
  /** As a pipeline file would write it. */
  name: string;
  port: number;
  /** What it has as `site`, seen from here. */
  dir: string;
  /** `known_hosts` line. */
  line: string;
  /** Kills it and everything that runs on it over ssh, as a power cut would. */
  crash(): Promise<void>;
  /** Starts it again, with a new host key. */
  start(): Promise<void>;
}

/** A directory that is deployed to, on each of the hosts. */
export interface TestPlace {
  /** On a host. */
  path: string;
  /** A file of one host, seen from here; a link is not followed. */
  at(index: number, ...parts: string[]): string;
  /** The release that `current` leads to, after it was proved to be complete. */
  live(index: number): string | null;
  releases(index: number): string[];
  revisions(index: number): string[];
  /** Lets whatever a deployment does there on that host at this step wait, until it is let go. */
  hold(index: number, step: HeldStep): void;
  letGo(index: number, step: HeldStep): void;
}

/** `shop` is the place where tests that need one only deploy to. */
export interface TestHosts extends TestPlace, AsyncDisposable {
  hosts: TestHost[];
  names: string[];
  place(name: string): TestPlace;
  privateKey: string;
  /** Lets another key in too. */
  authorize(publicKey: string): void;
  knownHosts(): Record<string, string[]>;
  dir: string;
}

/** What hosts can be held at: the programs of Reprise by what they do last, and commands that run `HELD`. */
export type HeldStep = (typeof HELD_STEPS)[number];

export const HELD_STEPS = ['lock', 'prepare', 'switch', 'restart', 'health', 'finish', 'unlock'] as const;

/** What a command of a pipeline file does to wait at a step while the test holds the host there. */
export const held = (step: HeldStep) => `while test -e ../../hold-${step}; do sleep 0.02; done`;

/** Only `canHold` makes `hold` true: the hosts' own `ln`, `ls` and `rm` are then wrapped. */
export async function startHosts(count = 3, { canHold = false } = {}): Promise<TestHosts> {
  const temp = tempDir();
  const site = temp.join('site');
  mkdirSync(site);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', temp.join('key')]);
  const tools = canHold ? makeTools(temp.join('tools')) : null;
  const hosts: TestHost[] = [];
  for (let index = 0; index < count; index += 1) hosts.push(await makeHost(temp.path, site, index, tools));
  const place = (name: string) => placeOf(temp.path, name);
  return {
    ...place('shop'),
    place,
    hosts,
    names: hosts.map(({ name }) => name),
    privateKey: readFileSync(temp.join('key'), 'utf8'),
    authorize: (publicKey) => writeFileSync(temp.join('key.pub'), `${publicKey}\n`, { flag: 'a' }),
    knownHosts: () => Object.fromEntries(hosts.map(({ name, line }) => [name, [line]])),
    dir: temp.path,
    async [Symbol.asyncDispose]() {
      await Promise.all(hosts.map((host) => host.crash()));
      temp[Symbol.dispose]();
    },
  };
}

function placeOf(base: string, name: string): TestPlace {
  const at = (index: number, ...parts: string[]) => join(base, `host${index}`, name, ...parts);
  return {
    path: join(base, 'site', name),
    at,
    live(index) {
      if (!existsSync(at(index))) return null;
      const names = readdirSync(at(index));
      if (!names.includes('current')) return null;
      const target = readlinkSync(at(index, 'current'));
      const release = target.slice(target.lastIndexOf('/') + 1);
      if (!existsSync(at(index, 'releases', release, 'COMPLETE')))
        throw new Error(`${target} is not complete`);
      return release;
    },
    releases: (index) => (existsSync(at(index, 'releases')) ? readdirSync(at(index, 'releases')).sort() : []),
    revisions: (index) => readFileSync(at(index, 'revisions.log'), 'utf8').trimEnd().split('\n'),
    hold: (index, step) => writeFileSync(at(index, `hold-${step}`), ''),
    letGo: (index, step) => rmSync(at(index, `hold-${step}`), { force: true }),
  };
}

async function makeHost(base: string, site: string, index: number, tools: string | null): Promise<TestHost> {
  const dir = join(base, `host${index}`);
  mkdirSync(dir);
  let sshd: TestSshd | null = null;
  const host: TestHost = {
    name: '',
    port: 0,
    dir,
    line: '',
    async crash() {
      await sshd?.crash();
      sshd = null;
    },
    async start() {
      // A home of its own too: what this machine's root has in its .bashrc is no part of the test.
      const home = mkdtempSync(`${dir}-home-`);
      const script = 'mount --bind "$0" "$1" && mount --bind "$2" "$3" && shift 3 && exec "$@"';
      sshd = await startSshd(join(base, `etc${index}`), {
        port: host.port,
        authorizedKeys: join(base, 'key.pub'),
        through: ['unshare', '--mount', 'sh', '-c', script, dir, site, home, userInfo().homedir],
        config: tools === null ? [] : [`SetEnv PATH=${tools}:/usr/local/bin:/usr/bin:/bin`],
      });
      host.port = sshd.port;
      host.line = sshd.hostLine;
    },
  };
  await host.start();
  host.name = `root@127.0.0.1:${host.port}`;
  return host;
}

/** Programs that wait before the last thing that Reprise's own do with them, while a file says so. */
function makeTools(dir: string): string {
  mkdirSync(dir);
  const script = `#!/bin/sh
case "\${0##*/} $*" in
  "ln lock."*" lock") hold=../hold-lock ;;
  "ln -s -- "*" .current."*) hold=hold-switch ;;
  "ls -1") hold=../hold-finish ;;
  "rm -f lock") hold=../hold-unlock ;;
esac
while [ -n "$hold" ] && [ -e "$hold" ]; do sleep 0.02; done
PATH=\${PATH#*:}
exec "\${0##*/}" "$@"
`;
  for (const name of ['ln', 'ls', 'rm']) {
    writeFileSync(join(dir, name), script);
    chmodSync(join(dir, name), 0o755);
  }
  return dir;
}
