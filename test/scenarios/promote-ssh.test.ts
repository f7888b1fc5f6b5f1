import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { HostRecord } from '@reprise/runner/deploy/deployment.ts';
import type { EnvironmentAnswer, PinnedHostAnswer } from '@reprise/server/environments/environment.api.ts';
import type { DeploymentAnswer, PromotionAnswer } from '@reprise/server/promotions/promotion.api.ts';
import type { Secret } from '@reprise/server/secrets/secret.api.ts';
import SQLite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isRoot, startHosts, type TestHosts } from '../rig/deploy/hosts.ts';
import { HOSTILE_TEXTS } from '../rig/hostile-texts.ts';
import type { RepriseProcess } from '../rig/process.ts';
import { Rig, type RigProject } from '../rig/reprise.ts';

const SHOP = '/api/projects/shop';
const PRODUCTION = `${SHOP}/environments/production`;

/** A server, a runner that builds, one that deploys, and a place on three hosts that is ready to be deployed to. */
class Place implements AsyncDisposable {
  readonly rig: Rig;
  readonly hosts: TestHosts;
  project!: RigProject;
  #deployer!: RepriseProcess;
  #deployerToken = '';

  private constructor(rig: Rig, hosts: TestHosts) {
    this.rig = rig;
    this.hosts = hosts;
  }

  static async start(): Promise<Place> {
    const place = new Place(await Rig.start(), await startHosts());
    const { rig } = place;
    place.project = await rig.project('shop', place.files('one'));
    await rig.startRunner('builder');
    const added = await rig.api<{ token: string }>('POST', '/api/runners', {
      name: 'deployer',
      labels: ['deploy'],
    });
    place.#deployerToken = added.token;
    place.startDeployer();
    return place;
  }

  startDeployer(): void {
    this.#deployer = this.rig.restartRunner('deployer', this.#deployerToken);
  }

  killDeployer(): Promise<void> {
    return this.#deployer.kill();
  }

  files(content: string, more: object = {}): Record<string, string> {
    const pipeline = {
      version: 1,
      jobs: {
        package: {
          steps: [{ run: 'mkdir dist; cp content dist/content; touch COMPLETE' }],
          artifact: { name: 'shop', paths: ['COMPLETE', 'dist'] },
        },
      },
      environments: {
        production: {
          path: this.hosts.path,
          hosts: this.hosts.names,
          batch: 1,
          // Long enough for whoever is to be ended to be in the middle of it.
          prepare: [{ run: 'sleep 0.2' }],
          restart: 'sleep 0.2',
          health: { run: 'sleep 0.1; test -s dist/content', timeout: '5s' },
          ...more,
        },
      },
    };
    return { content, '.reprise.yml': JSON.stringify(pipeline) };
  }

  /** A key that only the server has is made, and the hosts let it in. */
  async makeKey(): Promise<void> {
    const path = `${SHOP}/secrets/SSH_PRIVATE_KEY?environment=production`;
    const { publicKey } = await this.rig.api<Secret>('PUT', path, { generate: 'ssh-key' });
    writeFileSync(join(this.hosts.dir, 'key.pub'), `${publicKey}\n`);
  }

  /** As an administrator confirms what a scan has found. */
  async pin(...names: string[]): Promise<void> {
    for (const name of names) {
      const path = `${SHOP}/hosts/${encodeURIComponent(name)}`;
      const scanned = await this.rig.api<PinnedHostAnswer>('POST', `${path}/scan`);
      const keys = scanned.keys.map(({ key }) => key);
      expect(
        keys.map(
          (key) => `${this.hosts.hosts.find((host) => host.name === name)?.line.split(' ')[0]} ${key}`,
        ),
      ).toEqual([this.hosts.hosts.find((host) => host.name === name)?.line.trim()]);
      await this.rig.api('PUT', path, { keys });
    }
  }

  async ready(): Promise<void> {
    await this.makeKey();
    await this.pin(...this.hosts.names);
  }

  async build(commit: string, branch = 'main'): Promise<number> {
    const number = await this.rig.push(this.project, commit, { branch });
    expect(await this.rig.ended('shop', number)).toMatchObject({ status: 'passed' });
    return number;
  }

  async ask(build: number, reason = 'It is good.'): Promise<string> {
    const asked = { build, environment: 'production', reason, confirmOlder: true };
    return (await this.rig.api<PromotionAnswer>('POST', `${SHOP}/promotions`, asked)).id;
  }

  async done(id: string): Promise<PromotionAnswer> {
    for (;;) {
      const promotion = await this.rig
        .api<PromotionAnswer>('GET', `${SHOP}/promotions/${id}`)
        .catch(() => null);
      if (promotion && promotion.state !== 'waiting' && promotion.state !== 'approved') return promotion;
      await this.rig.changed('environments:shop');
    }
  }

  /** What the page says, once nothing is under way any more, looks at hosts included. */
  async settled(): Promise<EnvironmentAnswer> {
    for (;;) {
      if (this.#count("select count(*) n from deployments where status in ('queued', 'running')") === 0)
        return this.rig.api<EnvironmentAnswer>('GET', PRODUCTION);
      await this.rig.changed('environments:shop');
    }
  }

  /** Has the hosts looked at now. */
  async look(): Promise<EnvironmentAnswer> {
    await this.rig.api('POST', `${PRODUCTION}/probe`);
    return this.settled();
  }

  /** Resolves once a promotion's deployment has recorded that it is about to do this on that host. */
  async about(promotion: string, phase: string, host: string): Promise<void> {
    using db = this.#database();
    const records = db.prepare(
      `select record from deployment_records join deployments on deployments.id = deployment_id
       where promotion_id = ? and kind <> 'probe'`,
    );
    for (;;) {
      const entries = records.all(promotion).map((row) => JSON.parse((row as { record: string }).record));
      if (entries.some((entry: HostRecord) => entry.phase === phase && entry.host === host)) return;
      const over = this.#count(
        "select count(*) n from promotions where id = ? and state = 'done'",
        promotion,
      );
      if (over > 0) throw new Error(`It ended before ${phase} on ${host}: ${JSON.stringify(entries.at(-1))}`);
      await pause(2);
    }
  }

  content(host: number): string | null {
    const release = this.hosts.live(host);
    return release && readFileSync(this.hosts.at(host, 'releases', release, 'dist/content'), 'utf8');
  }

  /** Every host whose state is said to be known has exactly what is said; `current` is whole or absent everywhere. */
  expectTruth({ hosts }: EnvironmentAnswer): void {
    for (const [index, said] of hosts.entries()) {
      const live = this.hosts.live(index);
      if (!said.isKnown) continue;
      expect([said.host, said.release]).toEqual([this.hosts.names[index], live]);
      if (live !== null) expect(said).toMatchObject({ build: expect.any(Number), since: expect.any(String) });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rig[Symbol.asyncDispose]();
    await this.hosts[Symbol.asyncDispose]();
  }

  #count(query: string, ...values: string[]): number {
    using db = this.#database();
    return (db.prepare(query).get(...values) as { n: number }).n;
  }

  #database(): SQLite.Database & Disposable {
    const db = new SQLite(this.rig.path('data/reprise.db'), { readonly: true });
    return Object.assign(db, { [Symbol.dispose]: () => void db.close() });
  }
}

describe.skipIf(!isRoot)('promotions over ssh (as root)', { timeout: 400_000 }, () => {
  let place: Place;
  beforeEach(async () => {
    place = await Place.start();
  });
  afterEach(() => place[Symbol.asyncDispose]());

  test('a promotion lands on three hosts, once their keys and its own are there; a changed key is refused', async () => {
    const { rig, hosts, project } = place;
    const first = await place.build(project.head);
    await expect(place.ask(first)).rejects.toThrow(
      /409 .*needs the secret SSH_PRIVATE_KEY.*scans and confirms/,
    );
    await place.makeKey();
    await place.pin(...hosts.names.slice(0, 2));
    await expect(place.ask(first)).rejects.toThrow(
      `Nobody has confirmed the keys of the host ${hosts.names[2]}`,
    );
    expect(await rig.api('GET', `${SHOP}/deployments`)).toMatchObject({ items: [] });
    await place.pin(hosts.names[2] ?? '');

    const landed = await place.done(await place.ask(first));
    expect(landed.deployment).toMatchObject({ status: 'passed', outcome: 'done' });
    expect([0, 1, 2].map((index) => place.content(index))).toEqual(['one', 'one', 'one']);
    const known = await place.look();
    place.expectTruth(known);
    expect(known.live).toMatchObject({ build: first });
    expect(known.hosts.map(({ state }) => state)).toEqual(['match', 'match', 'match']);

    // Somebody else answers at the second host's address now.
    await hosts.hosts[1]?.crash();
    await hosts.hosts[1]?.start();
    const before = hosts.releases(1);
    const second = await place.build(project.repository.commit('Two', place.files('two')));
    const refused = await place.done(await place.ask(second));
    expect(refused.deployment).toMatchObject({ status: 'errored', outcome: 'unchanged' });
    expect(refused.why).toMatch(/key/i);
    expect(hosts.releases(1)).toEqual(before);
    expect(existsSync(hosts.at(1, '.reprise/lock'))).toBe(false);
    expect([0, 1, 2].map((index) => place.content(index))).toEqual(['one', 'one', 'one']);
    const told = await place.settled();
    place.expectTruth(told);
    expect(told.hosts.map(({ isKnown }) => isKnown)).toEqual([true, false, true]);

    await place.pin(hosts.names[1] ?? '');
    expect((await place.done(await place.ask(second))).deployment).toMatchObject({ status: 'passed' });
    expect([0, 1, 2].map((index) => place.content(index))).toEqual(['two', 'two', 'two']);
  });

  test('a host that dies leaves nothing broken, and what is said of it is true', async () => {
    const { rig, hosts, project } = place;
    await place.ready();
    const first = await place.build(project.head);
    const second = await place.build(project.repository.commit('Two', place.files('two')));
    await place.done(await place.ask(first));
    for (const phase of ['prepare', 'switch', 'health']) {
      const asked = await place.ask(second, `It dies at ${phase}`);
      await place.about(asked, phase, hosts.names[1] ?? '');
      await hosts.hosts[1]?.crash();
      const ended = await place.done(asked);
      expect([phase, ended.deployment?.status]).toEqual([phase, 'errored']);
      const told = await place.settled();
      place.expectTruth(told);
      expect([phase, told.hosts[1]?.isKnown, told.hosts[1]?.state]).toEqual([phase, false, 'unreachable']);
      expect([phase, place.content(0), place.content(2)]).toEqual([phase, 'one', 'one']);

      await hosts.hosts[1]?.start();
      await place.pin(hosts.names[1] ?? '');
      const seen = await place.look();
      place.expectTruth(seen);
      expect(seen.hosts.map(({ isKnown }) => isKnown)).toEqual([true, true, true]);
      const back = await rig
        .api<PromotionAnswer>('POST', `${PRODUCTION}/rollback`, { reason: 'It died' })
        .catch((error: Error) => error);
      // Where the host came back as it was before, there is nothing to go back from.
      if (back instanceof Error) expect(back.message).toContain('nothing to go back to');
      else expect((await place.done(back.id)).deployment).toMatchObject({ status: 'passed' });
      expect([phase, ...[0, 1, 2].map((index) => place.content(index))]).toEqual([
        phase,
        'one',
        'one',
        'one',
      ]);
      place.expectTruth(await place.settled());
    }
  });

  test.each([
    ['runner', ['prepare', 'switch', 'restart', 'finish']],
    ['server', ['lock', 'prepare', 'switch', 'health', 'unlock']],
  ])('a %s killed in the middle leaves nothing broken, and what is said is true', async (who, phases) => {
    const { rig, hosts, project } = place;
    await place.ready();
    const first = await place.build(project.head);
    const second = await place.build(project.repository.commit('Two', place.files('two')));
    await place.done(await place.ask(first));
    for (const phase of phases) {
      const asked = await place.ask(second, `The ${who} ends at ${phase}`);
      await place.about(asked, phase, hosts.names[1] ?? '');
      if (who === 'runner') {
        await place.killDeployer();
        place.startDeployer();
      } else {
        await rig.server.kill();
        for (const index of [0, 1, 2]) expect(['one', 'two']).toContain(place.content(index));
        await rig.startServer();
      }
      const ended = await place.done(asked);
      // A server that comes back in time finds the deployment as it went on; a runner that was killed has lost it.
      if (who === 'runner') expect([phase, ended.deployment?.status]).toEqual([phase, 'errored']);
      else expect(['passed', 'errored']).toContain(ended.deployment?.status);
      const told = await place.settled();
      place.expectTruth(told);
      expect([phase, ...told.hosts.map(({ isKnown, healthy }) => isKnown && healthy)]).toEqual([
        phase,
        true,
        true,
        true,
      ]);
      const wanted = told.hosts.some(({ build }) => build === second);
      if (wanted) {
        const back = await rig.api<PromotionAnswer>('POST', `${PRODUCTION}/rollback`, { reason: 'Lost' });
        const { deployment } = await place.done(back.id);
        expect([phase, deployment?.status, deployment?.why]).toEqual([phase, 'passed', '']);
      }
      expect([phase, ...[0, 1, 2].map((index) => place.content(index))]).toEqual([
        phase,
        'one',
        'one',
        'one',
      ]);
      const at = await place.look();
      place.expectTruth(at);
      expect([phase, ...at.hosts.map(({ build, state }) => `${build} ${state}`)]).toEqual([
        phase,
        ...Array(3).fill(`${first} match`),
      ]);
      await noneWaits(rig);
    }
  });

  test('hostile branches, tags, subjects and reasons are only text on every host', async () => {
    const { rig, hosts, project } = place;
    await place.ready();
    const canary = join(hosts.dir, 'canary');
    const run = (n: number) =>
      `$(touch\${IFS}${canary}${n})\`touch\${IFS}${canary}${n}\`;touch\${IFS}${canary}${n}`;
    const branch = `x';${run(1)};"|${run(2)}&#`;
    project.repository.git('checkout', '--quiet', '-b', branch);
    const head = project.repository.commit(`${run(3)}'"`, place.files('hostile'));
    project.repository.git('tag', `v1.0.0-${run(4)}'`);
    const build = await place.build(head, branch);
    const reasons = Object.values(HOSTILE_TEXTS)
      .map((text) => text.replaceAll('/tmp/reprise-canary', `${canary}5`).replaceAll('\0', ''))
      .filter((text) => text.trim() !== '');
    const reason = [run(6), `'${run(7)}'`, ...reasons].join('\n').slice(0, 4000);
    const { deployment } = await place.done(await place.ask(build, reason));
    expect(deployment).toMatchObject({ status: 'passed' });
    // What is too long for one reason goes in others.
    for (const name of ['shell newline', 'option proxy command', 'format string', 'line separators']) {
      const text = HOSTILE_TEXTS[name]?.replaceAll('/tmp/reprise-canary', `${canary}8`);
      const { why, ...promotion } = await place.done(await place.ask(build, text));
      expect([name, why, promotion.deployment?.status]).toEqual([name, '', 'passed']);
    }
    for (const index of [0, 1, 2]) {
      expect(place.content(index)).toBe('hostile');
      const lines = hosts.revisions(index);
      expect(lines).toHaveLength(5);
      expect(lines[0]).toContain(branch);
    }
    await expect(place.ask(build, 'a\0b')).rejects.toThrow(/400 .*NUL/);
    const back = await rig
      .api<PromotionAnswer>('POST', `${PRODUCTION}/rollback`, { reason: run(9) })
      .catch((error: Error) => error);
    expect(back).toBeInstanceOf(Error);
    expect(readdirSync(hosts.dir).filter((name) => name.startsWith('canary'))).toEqual([]);
    expect(existsSync('/tmp/reprise-canary')).toBe(false);
  });
});

/** No lock and no queued work is left behind. */
async function noneWaits(rig: Rig): Promise<void> {
  const { items } = await rig.api<{ items: DeploymentAnswer[] }>('GET', `${SHOP}/deployments`);
  expect(items.filter(({ finishedAt }) => finishedAt === null)).toEqual([]);
}
