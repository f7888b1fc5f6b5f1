import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { READER } from '@reprise/runner/deploy/scripts/program.ts';
import { describe, expect, test } from 'vitest';
import { carryOut, deploymentTo, makeArtifact } from '../../rig/deploy/deployments.ts';
import { isRoot, startHosts } from '../../rig/deploy/hosts.ts';

/** The line for `authorized_keys` that operators are told. */
const LINE = /^restrict,command=".*" (?=ssh-ed25519 AAAA)/m;

describe.skipIf(!isRoot)('a host that lets the key do nothing but deploy (as root)', () => {
  test('is deployed to, and does nothing else for it', async () => {
    await using hosts = await startHosts(1);
    const operating = readFileSync(new URL('../../../docs/operating.md', import.meta.url), 'utf8');
    const [restriction = ''] = LINE.exec(operating) ?? [];
    expect(restriction.replaceAll('\\"', '"')).toBe(`restrict,command="${READER}" `);
    const key = join(hosts.dir, 'key.pub');
    writeFileSync(key, restriction + readFileSync(key, 'utf8'));

    const environment = { prepare: [{ run: 'echo hello', on: 'all' as const }], restart: 'sleep 60 &' };
    const { result, log } = await carryOut(
      deploymentTo(hosts, makeArtifact(hosts.dir, { a: 'x' }), { environment }),
    );
    expect(result, log).toMatchObject({ outcome: 'done', status: 'passed' });
    expect(log).toContain('| hello\n');
    expect(hosts.live(0)).toBe(result.release);

    const known = join(hosts.dir, 'known_hosts');
    writeFileSync(known, `${hosts.hosts[0]?.line}\n`);
    const options = ['-F', 'none', '-o', `UserKnownHostsFile=${known}`, '-i', join(hosts.dir, 'key')];
    const port = String(hosts.hosts[0]?.port);
    const ssh = (words: string[], input = '') =>
      spawnSync('ssh', [...options, '-p', port, ...words], { input, encoding: 'utf8', timeout: 20_000 });
    expect(ssh(['root@127.0.0.1', `touch ${hosts.path}/asked`], 'touch asked\n').error).toBeUndefined();
    expect(existsSync(hosts.at(0, 'asked'))).toBe(false);
    expect(ssh(['-W', `127.0.0.1:${port}`, 'root@127.0.0.1']).stderr).toContain('prohibited');
  });
});
