import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { TreeDigest } from '@reprise/runner/artifact/manifest.ts';
import { deploy } from '@reprise/runner/deploy/deploy.ts';
import {
  type DeployArtifact,
  type Deployment,
  deployment,
  type HostRecord,
} from '@reprise/runner/deploy/deployment.ts';
import { type RawEntry, TOP, tarball } from '../tarball.ts';
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

export interface TestHosts extends AsyncDisposable {
  hosts: TestHost[];
  names: string[];
  /** The environment's directory on each host. */
  path: string;
  /** A file of one host, seen from here; a link is not followed. */
  at(index: number, ...parts: string[]): string;
  /** The release that `current` leads to, after it was proved to be complete. */
  live(index: number): string | null;
  releases(index: number): string[];
  revisions(index: number): string[];
  privateKey: string;
  knownHosts(): Record<string, string[]>;
  dir: string;
}

export async function startHosts(count = 3): Promise<TestHosts> {
  const temp = tempDir();
  const site = temp.join('site');
  mkdirSync(site);
  mkdirSync('/run/sshd', { recursive: true });
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', temp.join('key')]);
  const hosts: TestHost[] = [];
  for (let index = 0; index < count; index += 1) hosts.push(await makeHost(temp.path, site, index));
  const at = (index: number, ...parts: string[]) => join(temp.path, `host${index}`, 'shop', ...parts);
  const releases = (index: number) =>
    existsSync(at(index, 'releases')) ? readdirSync(at(index, 'releases')).sort() : [];
  return {
    hosts,
    names: hosts.map(({ name }) => name),
    path: join(site, 'shop'),
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
    releases,
    revisions: (index) => readFileSync(at(index, 'revisions.log'), 'utf8').trimEnd().split('\n'),
    privateKey: readFileSync(temp.join('key'), 'utf8'),
    knownHosts: () => Object.fromEntries(hosts.map(({ name, line }) => [name, [line]])),
    dir: temp.path,
    async [Symbol.asyncDispose]() {
      await Promise.all(hosts.map((host) => host.crash()));
      temp[Symbol.dispose]();
    },
  };
}

async function makeHost(base: string, site: string, index: number): Promise<TestHost> {
  const dir = join(base, `host${index}`);
  const etc = join(base, `etc${index}`);
  mkdirSync(dir);
  mkdirSync(etc);
  const port = await freePort();
  let end: (() => Promise<void>) | null = null;
  const host: TestHost = {
    name: `root@127.0.0.1:${port}`,
    port,
    dir,
    line: '',
    async crash() {
      await end?.();
      end = null;
    },
    async start() {
      const key = join(etc, 'host_key');
      rmSync(key, { force: true });
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
      const config = [
        `ListenAddress 127.0.0.1:${port}`,
        `HostKey ${key}`,
        `AuthorizedKeysFile ${join(base, 'key.pub')}`,
        'PidFile none',
        'UsePAM no',
        'StrictModes no',
        'PermitRootLogin prohibit-password',
        'Subsystem sftp internal-sftp',
      ];
      writeFileSync(join(etc, 'sshd_config'), `${config.join('\n')}\n`);
      end = await startSshd(dir, site, join(etc, 'sshd_config'));
      const [type, publicKey] = readFileSync(`${key}.pub`, 'utf8').split(' ');
      host.line = `[127.0.0.1]:${port} ${type} ${publicKey}`;
    },
  };
  await host.start();
  return host;
}

async function startSshd(dir: string, site: string, config: string): Promise<() => Promise<void>> {
  // A home of its own too: what this machine's root has in its .bashrc is no part of the test.
  const script = 'mount --bind "$0" "$1" && mount --bind "$3" "$4" && exec /usr/sbin/sshd -D -e -f "$2"';
  const home = mkdtempSync(`${dir}-home-`);
  const child = spawn(
    'unshare',
    ['--mount', 'sh', '-c', script, dir, site, config, home, userInfo().homedir],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const closed = once(child, 'exit');
  const said: string[] = [];
  const listening = Promise.withResolvers<void>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    said.push(line);
    if (line.startsWith('Server listening on')) listening.resolve();
  });
  void closed.then(() => listening.reject(new Error(`sshd ended: ${said.join('\n')}`)));
  await listening.promise;
  return async () => {
    for (const pid of [...descendants(child.pid ?? 0), child.pid ?? 0]) kill(pid);
    await closed;
  };
}

/** Also those that gave themselves a session of their own, as the commands of a deployment do. */
function descendants(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // Gone meanwhile.
    }
  }
  const found = [root];
  for (const one of found) for (const [pid, parent] of parents) if (parent === one) found.push(pid);
  return found.slice(1);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}

/** An artifact's tarball with these files (a value beginning with `-> ` is a link, a path ending with `*` is executable). */
export function makeArtifact(
  dir: string,
  files: Record<string, string | Buffer>,
  facts: Partial<DeployArtifact> = {},
): DeployArtifact {
  const version = facts.version ?? '1.0.0';
  const top = `shop-${version.replace(/[^0-9A-Za-z.+-]/g, '-')}`;
  const all: Record<string, string | Buffer> = { COMPLETE: version, ...files };
  const digest = new TreeDigest();
  const entries: RawEntry[] = [{ ...TOP, path: `${top}/` }];
  for (const name of withFolders(Object.keys(all))) {
    const content = all[name];
    const path = name.replace(/[*/]$/, '');
    if (content === undefined) {
      digest.add({ type: 'directory', path, mode: '0755' });
      entries.push({ path: `${top}/${path}/`, type: '5', mode: 0o755 });
    } else if (typeof content === 'string' && content.startsWith('-> ')) {
      digest.add({ type: 'link', path, target: content.slice(3) });
      entries.push({ path: `${top}/${path}`, type: '2', link: content.slice(3), mode: 0o777 });
    } else {
      const mode = name.endsWith('*') ? '0755' : '0644';
      const sha256 = createHash('sha256').update(content).digest('hex');
      digest.add({ type: 'file', path, mode, size: content.length, sha256 });
      entries.push({ path: `${top}/${path}`, content, mode: Number.parseInt(mode, 8) });
    }
  }
  const bytes = tarball(entries);
  const file = join(dir, `${top}-${createHash('sha256').update(bytes).digest('hex').slice(0, 8)}.tar.gz`);
  writeFileSync(file, bytes);
  return {
    name: 'shop',
    fileName: `${top}.tar.gz`,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    treeSha256: digest.hex(),
    size: bytes.length,
    build: 12,
    commit: '1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d',
    commitTime: 1_767_225_600,
    branch: 'main',
    tag: '',
    file,
    ...facts,
    version,
  };
}

function withFolders(names: string[]): string[] {
  const folders = names.flatMap((name) =>
    name
      .split('/')
      .slice(0, -1)
      .map((_, index, parts) => `${parts.slice(0, index + 1).join('/')}/`),
  );
  const plain = (name: string) => Buffer.from(name.replace(/[*/]$/, ''));
  return [...new Set([...names, ...folders])].sort((a, b) => Buffer.compare(plain(a), plain(b)));
}

let made = 0;

/** A deployment of an artifact to the hosts, with what the test says differently. */
export function deploymentTo(
  hosts: Pick<TestHosts, 'names' | 'path' | 'privateKey' | 'knownHosts'>,
  artifact: DeployArtifact | null,
  o: Partial<Omit<Deployment, 'environment' | 'limits'>> & {
    environment?: Partial<Deployment['environment']>;
    limits?: Partial<Deployment['limits']>;
  } = {},
): Deployment {
  made += 1;
  return deployment.parse({
    id: `shop/${process.pid}-${made}`,
    kind: 'deploy',
    project: 'shop',
    only: null,
    artifact,
    release: `202611221906${String(made % 60).padStart(2, '0')}`,
    by: 'alice',
    reason: 'a new price list',
    owner: 'http://127.0.0.1:4000/',
    env: {},
    secrets: {},
    sshKey: hosts.privateKey,
    knownHosts: hosts.knownHosts(),
    localRoot: null,
    expected: {},
    rollbackTo: null,
    protect: [],
    ended: [],
    ...o,
    limits: { ...o.limits },
    environment: {
      name: 'production',
      url: null,
      path: hosts.path,
      hosts: hosts.names,
      keep: 5,
      shared: [],
      prepare: [],
      restart: null,
      health: null,
      batch: null,
      jump: null,
      haproxy: null,
      ...o.environment,
    },
  });
}

/** Carries it out in this process. `before` is called with each record, and may do damage before it resolves. */
export async function carryOut(
  given: Deployment,
  before: (entry: HostRecord) => void | Promise<void> = () => undefined,
  signal: AbortSignal = new AbortController().signal,
) {
  const records: HostRecord[] = [];
  const log: Buffer[] = [];
  const result = await deploy(given, {
    async record(entry) {
      records.push(entry);
      await before(entry);
    },
    log: (bytes) => void log.push(Buffer.from(bytes)),
    signal,
  });
  return { result, records, log: Buffer.concat(log).toString() };
}

/** Records as short words: `web1 lock before`. */
export function story(records: readonly HostRecord[], host: string): string[] {
  return records
    .filter((entry) => entry.host === host)
    .map(({ phase, at, outcome }) => (at === 'before' ? phase : `${phase} ${outcome}`));
}
