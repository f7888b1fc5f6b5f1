import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { carryOut, deploymentTo, makeArtifact } from '../../rig/deploy/deployments.ts';
import { isRoot, startHosts, type TestHosts } from '../../rig/deploy/hosts.ts';
import { gitRepository } from '../../rig/deploy/repository.ts';

describe.skipIf(!isRoot)('a host that the real Capistrano has laid out (as root)', () => {
  let hosts: TestHosts;
  beforeEach(async () => {
    hosts = await startHosts(1);
  });
  afterEach(() => hosts[Symbol.asyncDispose]());

  test('is taken over as it is, deployed to and rolled back', async () => {
    mkdirSync(hosts.at(0, 'shared/config'), { recursive: true });
    writeFileSync(hosts.at(0, 'shared/config/.env'), 'real');
    capistrano(hosts, 'deploy');
    const before = readlinkSync(hosts.at(0, 'current'));
    const old = before.slice(before.lastIndexOf('/') + 1);
    const theirs = hosts.revisions(0);
    expect(theirs).toHaveLength(1);

    const environment = { shared: ['config/.env', 'log/'], keep: 3 };
    const expected = {};
    const first = await carryOut(deploymentTo(hosts, makeArtifact(hosts.dir, {}), { environment, expected }));
    expect(first.result, first.log).toMatchObject({ outcome: 'done' });
    const { release } = first.result;
    expect(release > old).toBe(true);
    expect(
      first.records.find(({ phase, at }) => phase === 'switch' && at === 'before')?.previousRelease,
    ).toBe(old);
    expect(readlinkSync(hosts.at(0, 'current'))).toBe(before.replace(old, release));
    expect(readlinkSync(hosts.at(0, 'releases', release, 'config/.env'))).toBe(
      readlinkSync(hosts.at(0, 'releases', old, 'config/.env')),
    );
    expect(hosts.revisions(0)).toEqual([
      ...theirs,
      `Branch main (at 1a2b3c4) deployed as release ${release} by alice: a new price list (Reprise shop#12 1.0.0)`,
    ]);
    expect(existsSync(hosts.at(0, 'repo/HEAD'))).toBe(true);
    expect(hosts.releases(0)).toEqual([old, release]);

    // Back to what Capistrano had made, of which no digest was recorded and no artifact exists.
    const back = await carryOut(
      deploymentTo(hosts, null, { kind: 'rollback', environment, rollbackTo: { release: old, digests: {} } }),
    );
    expect(back.result, back.log).toMatchObject({ outcome: 'done', release: old });
    expect(readlinkSync(hosts.at(0, 'current'))).toBe(before);
    expect(hosts.revisions(0).at(-1)).toBe(`alice rolled back to release ${old}: a new price list (Reprise)`);

    // And Capistrano still finds its way.
    capistrano(hosts, 'deploy');
    const again = readlinkSync(hosts.at(0, 'current'));
    capistrano(hosts, 'deploy:rollback');
    expect(readlinkSync(hosts.at(0, 'current'))).not.toBe(again);
    expect(readFileSync(hosts.at(0, 'revisions.log'), 'utf8')).toContain('rolled back to release');
  });

  test('a release that fails is undone to what Capistrano had made', async () => {
    mkdirSync(hosts.at(0, 'shared/config'), { recursive: true });
    writeFileSync(hosts.at(0, 'shared/config/.env'), 'real');
    capistrano(hosts, 'deploy');
    const before = readlinkSync(hosts.at(0, 'current'));
    const health = { http: null, run: 'test ! -e RELEASE.json', timeoutMs: 1000 };
    const { result } = await carryOut(
      deploymentTo(hosts, makeArtifact(hosts.dir, {}), { environment: { health } }),
    );
    expect(result).toMatchObject({ outcome: 'undone', status: 'failed' });
    expect(readlinkSync(hosts.at(0, 'current'))).toBe(before);
    expect(hosts.releases(0)).toHaveLength(1);
  });
});

/** Runs `cap` where the host's files are, with what its own `cap install` would have asked for. */
function capistrano(hosts: TestHosts, task: string): void {
  const dir = join(hosts.dir, 'cap');
  mkdirSync(join(dir, 'config/deploy'), { recursive: true });
  const repository = gitRepository(join(hosts.dir, 'repository'), { COMPLETE: 'by cap', 'config/app': 'x' });
  writeFileSync(
    join(dir, 'Capfile'),
    ['capistrano/setup', 'capistrano/deploy', 'capistrano/scm/git']
      .map((name) => `require "${name}"\n`)
      .join('') + 'install_plugin Capistrano::SCM::Git\n',
  );
  const settings = {
    application: 'shop',
    repo_url: repository,
    branch: 'main',
    deploy_to: hosts.path,
    tmp_dir: join(hosts.dir, 'cap'),
  };
  writeFileSync(
    join(dir, 'config/deploy.rb'),
    [
      ...Object.entries(settings).map(([key, value]) => `set :${key}, ${JSON.stringify(value)}`),
      'set :linked_files, %w[config/.env]',
      'set :linked_dirs, %w[log]',
      'set :sshkit_backend, SSHKit::Backend::Local',
      '',
    ].join('\n'),
  );
  writeFileSync(join(dir, 'config/deploy/production.rb'), 'server "localhost", roles: %w[app]\n');
  const script = 'mount --bind "$0" "$1" && cd "$2" && exec cap production "$3"';
  const host = hosts.hosts[0]?.dir ?? '';
  execFileSync('unshare', ['--mount', 'sh', '-c', script, host, join(hosts.dir, 'site'), dir, task], {
    stdio: 'pipe',
    env: { PATH: process.env['PATH'], HOME: dir, LANG: 'C.UTF-8', USER: 'root' },
  });
}
