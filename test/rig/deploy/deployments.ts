import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TreeDigest } from '@reprise/runner/artifact/manifest.ts';
import { deploy } from '@reprise/runner/deploy/deploy.ts';
import {
  type DeployArtifact,
  type Deployment,
  deployment,
  type HostRecord,
} from '@reprise/runner/deploy/deployment.ts';
import { type RawEntry, TOP, tarball } from '../tarball.ts';
import type { TestHosts } from './hosts.ts';

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
