import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { carryOut, deploymentTo, makeArtifact, story } from '../../rig/deploy/deployments.ts';
import { isRoot, startHosts, type TestHosts } from '../../rig/deploy/hosts.ts';

describe.skipIf(!isRoot)('three hosts over ssh (as root)', () => {
  let hosts: TestHosts;
  beforeEach(async () => {
    hosts = await startHosts();
  });
  afterEach(() => hosts[Symbol.asyncDispose]());

  test('a deployment lands on all, in the layout that users of Capistrano know', async () => {
    const artifact = makeArtifact(hosts.dir, { 'bin/run*': '#!/bin/sh\n', 'a/b/c': 'x', link: '-> a/b/c' });
    const given = deploymentTo(hosts, artifact, { release: '20261122190612' });
    const { result, records, log } = await carryOut(given);
    expect(result, log).toMatchObject({
      outcome: 'done',
      status: 'passed',
      why: null,
      release: '20261122190612',
    });
    for (const [index, name] of hosts.names.entries()) {
      expect(hosts.live(index)).toBe('20261122190612');
      expect(readlinkSync(hosts.at(index, 'current'))).toBe(`${hosts.path}/releases/20261122190612`);
      const release = (file: string) =>
        readFileSync(hosts.at(index, 'releases/20261122190612', file), 'utf8');
      expect(release('REVISION')).toBe(`${artifact.commit}\n`);
      expect(release('REVISION_TIME')).toBe('1767225600\n');
      expect(JSON.parse(release('RELEASE.json'))).toMatchObject({ project: 'shop', build: 12, by: 'alice' });
      expect(release('link')).toBe('x');
      expect(hosts.revisions(index)).toEqual([
        'Branch main (at 1a2b3c4) deployed as release 20261122190612 by alice: a new price list (Reprise shop#12 1.0.0)',
      ]);
      expect(existsSync(hosts.at(index, '.reprise/lock'))).toBe(false);
      expect(result.hosts[index]).toEqual({
        host: name,
        state: 'new',
        current: '20261122190612',
        healthy: null,
        digest: artifact.treeSha256,
        locked: false,
      });
      const acts = ['lock', 'prepare', 'switch', 'finish', 'unlock'];
      expect(story(records, name)).toEqual(acts.flatMap((act) => [act, `${act} done`]));
    }
  });

  test('what is shared is linked, and prepare runs in the new release with its facts and secrets', async () => {
    const environment = {
      shared: ['config/.env', 'log/'],
      prepare: [
        { run: 'echo "$REPRISE_VERSION $REPRISE_RELEASE $TOKEN" > prepared\npwd -P', on: 'all' as const },
        { run: 'echo first > only-first', on: 'first' as const },
      ],
    };
    const artifact = makeArtifact(hosts.dir, { 'config/.env': 'default', 'config/app': 'x' });
    const given = () => deploymentTo(hosts, artifact, { environment, secrets: { TOKEN: "it's $(secret)" } });
    const refused = await carryOut(given());
    expect(refused.result).toMatchObject({ outcome: 'unchanged', status: 'errored' });
    expect(refused.result.why).toContain('shared/config/.env does not exist: put it there');
    expect(hosts.releases(0)).toEqual([]);
    for (const index of hosts.names.keys()) {
      const { mkdirSync } = await import('node:fs');
      mkdirSync(hosts.at(index, 'shared/config'), { recursive: true });
      writeFileSync(hosts.at(index, 'shared/config/.env'), 'real');
    }
    const { result, log } = await carryOut(given());
    expect(result.outcome, log).toBe('done');
    for (const index of hosts.names.keys()) {
      const release = (file: string) => hosts.at(index, 'releases', result.release, file);
      expect(readlinkSync(release('config/.env'))).toBe(`${hosts.path}/shared/config/.env`);
      expect(readlinkSync(release('log'))).toBe(`${hosts.path}/shared/log`);
      expect(existsSync(hosts.at(index, 'shared/log'))).toBe(true);
      expect(readFileSync(release('prepared'), 'utf8')).toBe(`1.0.0 ${result.release} it's $(secret)\n`);
      expect(existsSync(release('only-first'))).toBe(index === 0);
    }
    expect(log).toContain(`| ${hosts.path}/releases/${result.release}\n`);
  });
});
