import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostRecord } from '@reprise/runner/deploy/deployment.ts';
import type { Build } from '@reprise/server/api.ts';
import type { EnvironmentAnswer, PinnedHostAnswer } from '@reprise/server/environments/environment.api.ts';
import type { DeploymentAnswer, PromotionAnswer } from '@reprise/server/promotions/promotion.api.ts';
import type { Secret } from '@reprise/server/secrets/secret.api.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  HELD_STEPS,
  type HeldStep,
  held,
  isRoot,
  startHosts,
  type TestHosts,
  type TestPlace,
} from '../rig/deploy/hosts.ts';
import { HOSTILE_TEXTS } from '../rig/hostile-texts.ts';
import type { RepriseProcess } from '../rig/process.ts';
import { openRecords } from '../rig/records.ts';
import { Rig, type RigProject } from '../rig/reprise.ts';

const SHOP = '/api/projects/shop';

/** Twenty sshd sessions at once leave little for leases: a runner that is only slow must not count as lost. */
const UNHURRIED = { REPRISE_TEST_TIME_SCALE: '10' };

/** Three hosts, a server, a runner that builds and one that deploys to many environments at once. */
class Installation implements AsyncDisposable {
  readonly rig: Rig;
  readonly hosts: TestHosts;
  readonly records: Awaited<ReturnType<typeof openRecords>>;
  project!: RigProject;
  #deployer!: RepriseProcess;
  #deployerToken = '';

  private constructor(o: Pick<Installation, 'rig' | 'hosts' | 'records'>) {
    this.rig = o.rig;
    this.hosts = o.hosts;
    this.records = o.records;
  }

  static async start(): Promise<Installation> {
    const rig = await Rig.start({ env: UNHURRIED });
    const hosts = await startHosts(3, { canHold: true });
    const started = new Installation({ rig, hosts, records: await openRecords(rig.dataDir) });
    started.project = await rig.project('shop', started.files('one'));
    await rig.startRunner('builder', { env: UNHURRIED });
    const added = await rig.api<{ token: string }>('POST', '/api/runners', {
      name: 'deployer',
      labels: ['deploy'],
    });
    started.#deployerToken = added.token;
    started.startDeployer();
    return started;
  }

  startDeployer(): void {
    const env = { ...UNHURRIED, REPRISE_CAPACITY: String(HELD_STEPS.length) };
    this.#deployer = this.rig.restartRunner('deployer', this.#deployerToken, { env });
  }

  killDeployer(): Promise<void> {
    return this.#deployer.kill();
  }

  /** An environment for each step at which a test may want a host to be, and `production`. */
  files(content: string): Record<string, string> {
    const environment = (name: string, more: object) => ({
      path: this.hosts.place(name).path,
      hosts: this.hosts.names,
      ...more,
    });
    const careful = {
      batch: 1,
      prepare: [{ run: held('prepare') }],
      restart: held('restart'),
      health: { run: `${held('health')}; test -s dist/content`, timeout: '60s' },
    };
    const pipeline = {
      version: 1,
      jobs: {
        package: {
          steps: [{ run: 'mkdir dist; cp content dist/content; touch COMPLETE' }],
          artifact: { name: 'shop', paths: ['COMPLETE', 'dist'] },
        },
      },
      environments: {
        production: environment('production', {}),
        ...Object.fromEntries(HELD_STEPS.map((step) => [step, environment(step, careful)])),
      },
    };
    return { content, '.reprise.yml': JSON.stringify(pipeline) };
  }

  /** A key that only the server has is made, and the hosts let it in. */
  async makeKey(): Promise<void> {
    const path = `${SHOP}/secrets/SSH_PRIVATE_KEY?environment=production`;
    const { publicKey } = await this.rig.api<Secret>('PUT', path, { generate: 'ssh-key' });
    this.hosts.authorize(publicKey ?? '');
  }

  /** As an administrator confirms what a scan has found. */
  async pin(...indexes: number[]): Promise<void> {
    for (const { name, line } of indexes.flatMap((index) => this.hosts.hosts[index] ?? [])) {
      const path = `${SHOP}/hosts/${encodeURIComponent(name)}`;
      const scanned = await this.rig.api<PinnedHostAnswer>('POST', `${path}/scan`);
      const keys = scanned.keys.map(({ key }) => key);
      expect(keys.map((key) => `${line.split(' ')[0]} ${key}`)).toEqual([line.trim()]);
      await this.rig.api('PUT', path, { keys });
    }
  }

  async build(commit: string, branch = 'main'): Promise<number> {
    const number = await this.rig.push(this.project, commit, { branch });
    expect(await this.rig.ended('shop', number)).toMatchObject({ status: 'passed' });
    return number;
  }

  at(name: string): Environment {
    return new Environment(this, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.records[Symbol.asyncDispose]();
    await this.rig[Symbol.asyncDispose]();
    await this.hosts[Symbol.asyncDispose]();
  }
}

/** A place to deploy to, as its users and its hosts see it. */
class Environment {
  readonly #all: Installation;
  readonly name: string;
  readonly place: TestPlace;
  readonly path: string;

  constructor(all: Installation, name: string) {
    this.#all = all;
    this.name = name;
    this.place = all.hosts.place(name);
    this.path = `${SHOP}/environments/${name}`;
  }

  async ask(build: number, reason = 'It is good.'): Promise<string> {
    const asked = { build, environment: this.name, reason, confirmOlder: true };
    return (await this.#all.rig.api<PromotionAnswer>('POST', `${SHOP}/promotions`, asked)).id;
  }

  done(id: string): Promise<PromotionAnswer> {
    return this.#all.rig.when('environments:shop', async () => {
      const promotion = await this.#all.rig.api<PromotionAnswer>('GET', `${SHOP}/promotions/${id}`);
      return ['waiting', 'approved'].includes(promotion.state) ? null : promotion;
    });
  }

  async promote(build: number, reason?: string): Promise<PromotionAnswer> {
    return this.done(await this.ask(build, reason));
  }

  /** Goes back to what was live before; null when there is nothing to go back from. */
  async goBack(reason: string): Promise<PromotionAnswer | null> {
    try {
      const { id } = await this.#all.rig.api<PromotionAnswer>('POST', `${this.path}/rollback`, { reason });
      return await this.done(id);
    } catch (error) {
      expect((error as Error).message).toContain('nothing to go back to');
      return null;
    }
  }

  /** What the page says, once nothing is under way any more, looks at hosts included. */
  settled(): Promise<EnvironmentAnswer> {
    const { rig, records } = this.#all;
    return rig.when('environments:shop', async () => {
      const unfinished = await records.db
        .selectFrom('deployments')
        .select('id')
        .where('environment', '=', this.name)
        .where('status', 'in', ['queued', 'running'])
        .execute();
      return unfinished.length > 0 ? null : rig.api<EnvironmentAnswer>('GET', this.path);
    });
  }

  /** Has the hosts looked at now. */
  async look(): Promise<EnvironmentAnswer> {
    await this.#all.rig.api('POST', `${this.path}/probe`);
    return this.settled();
  }

  /** Resolves once a promotion's deployment has recorded that it is about to do this on that host. */
  async about(promotion: string, phase: string, host: number): Promise<void> {
    const name = this.#all.hosts.names[host];
    await this.#all.rig.when('environments:shop', async () => {
      const rows = await this.#all.records.db
        .selectFrom('deployment_records')
        .innerJoin('deployments', 'deployments.id', 'deployment_records.deployment_id')
        .select('record')
        .where('promotion_id', '=', promotion)
        .where('kind', '<>', 'probe')
        .execute();
      const entries = rows.map(({ record }): HostRecord => JSON.parse(record));
      return entries.find((entry) => entry.phase === phase && entry.host === name) ?? null;
    });
  }

  content(host: number): string | null {
    const release = this.place.live(host);
    return release && readFileSync(this.place.at(host, 'releases', release, 'dist/content'), 'utf8');
  }

  contents(): (string | null)[] {
    return [0, 1, 2].map((host) => this.content(host));
  }

  /** Every host whose state is said to be known has exactly what is said; `current` is whole or absent everywhere. */
  expectTruth({ hosts }: EnvironmentAnswer): void {
    for (const [index, said] of hosts.entries()) {
      const live = this.place.live(index);
      if (!said.isKnown) continue;
      expect([said.host, said.release]).toEqual([this.#all.hosts.names[index], live]);
      if (live !== null) expect(said).toMatchObject({ build: expect.any(Number), since: expect.any(String) });
    }
  }
}

describe.skipIf(!isRoot)('promotions over ssh (as root)', { timeout: 200_000 }, () => {
  let all: Installation;
  let first: number;
  let second: number;
  beforeAll(async () => {
    all = await Installation.start();
    first = await all.build(all.project.head);
    second = await all.build(all.project.repository.commit('Two', all.files('two')));
  });
  afterAll(() => all[Symbol.asyncDispose]());

  test('a promotion lands on three hosts, once their keys and its own are there; a changed key is refused', async () => {
    const { rig, hosts } = all;
    const production = all.at('production');
    await expect(production.ask(first)).rejects.toThrow(
      /409 .*needs the secret SSH_PRIVATE_KEY.*scans and confirms/,
    );
    await all.makeKey();
    await all.pin(0, 1);
    await expect(production.ask(first)).rejects.toThrow(
      `Nobody has confirmed the keys of the host ${hosts.names[2]}`,
    );
    expect(await rig.api('GET', `${SHOP}/deployments`)).toMatchObject({ items: [] });
    await all.pin(2);

    const landed = await production.promote(first);
    expect(landed.deployment).toMatchObject({ status: 'passed', outcome: 'done' });
    expect(production.contents()).toEqual(['one', 'one', 'one']);
    const known = await production.look();
    production.expectTruth(known);
    expect(known.live).toMatchObject({ build: first });
    expect(known.hosts.map(({ state }) => state)).toEqual(['match', 'match', 'match']);

    // Somebody else answers at the second host's address now.
    await hosts.hosts[1]?.crash();
    await hosts.hosts[1]?.start();
    const before = production.place.releases(1);
    const refused = await production.promote(second);
    expect(refused.deployment).toMatchObject({ status: 'errored', outcome: 'unchanged' });
    expect(refused.why).toMatch(/key/i);
    expect(production.place.releases(1)).toEqual(before);
    expect(existsSync(production.place.at(1, '.reprise/lock'))).toBe(false);
    expect(production.contents()).toEqual(['one', 'one', 'one']);
    const told = await production.settled();
    production.expectTruth(told);
    expect(told.hosts.map(({ isKnown }) => isKnown)).toEqual([true, false, true]);

    await all.pin(1);
    expect((await production.promote(second)).deployment).toMatchObject({ status: 'passed' });
    expect(production.contents()).toEqual(['two', 'two', 'two']);
  });

  test('ten promotions at once are carried out one after the other, and none is lost', async () => {
    const production = all.at('production');
    const asked = await Promise.all(
      Array.from({ length: 10 }, (_, index) => production.ask(index % 2 === 0 ? first : second)),
    );
    const ended = await Promise.all(asked.map((id) => production.done(id)));
    expect(ended.map(({ deployment }) => deployment?.status)).toEqual(Array(10).fill('passed'));
    const spans = ended
      .map(({ deployment }) =>
        [deployment?.startedAt, deployment?.finishedAt].map((at) => Date.parse(at ?? '')),
      )
      .sort(([a = 0], [b = 0]) => a - b);
    for (const [index, [begin = 0]] of spans.entries())
      expect(begin).toBeGreaterThanOrEqual(spans[index - 1]?.[1] ?? 0);
    const last = spans.at(-1)?.[1];
    const { deployment } = ended.find((one) => Date.parse(one.deployment?.finishedAt ?? '') === last) ?? {};
    expect([0, 1, 2].map((host) => production.place.live(host))).toEqual(Array(3).fill(deployment?.release));
    expect(production.place.revisions(0).length).toBe(production.place.revisions(2).length);
    production.expectTruth(await production.settled());
  });

  describe('something ends at every step at once', () => {
    let environments: Environment[];
    beforeAll(async () => {
      await all.pin(0, 1, 2);
      environments = HELD_STEPS.map((step) => all.at(step));
      await together(async ({ name }) => {
        const secret = `${SHOP}/secrets/SSH_PRIVATE_KEY?environment=${name}`;
        await all.rig.api('PUT', secret, { value: all.hosts.privateKey });
      });
      await together(async (environment) => {
        const { why, deployment } = await environment.promote(first);
        expect([why, deployment?.status]).toEqual(['', 'passed']);
      });
    });

    /** Promotes in every environment until the second host is in its step; the promotions. */
    async function begin(reason: string): Promise<Map<string, string>> {
      const promotions = new Map<string, string>();
      await together(async (environment) => {
        const step = environment.name as HeldStep;
        environment.place.hold(1, step);
        const id = await environment.ask(second, reason);
        promotions.set(step, id);
        await environment.about(id, step, 1);
      });
      return promotions;
    }

    function letGo(): void {
      for (const { name, place } of environments) place.letGo(1, name as HeldStep);
    }

    /** Rolled back where it is needed, all three have what they had, and the page says so. */
    async function expectReturn(): Promise<void> {
      await together(async (environment) => {
        const back = await environment.goBack('It was lost');
        expect(back?.deployment?.status ?? 'passed').toBe('passed');
        expect(environment.contents()).toEqual(['one', 'one', 'one']);
        const seen = await environment.look();
        environment.expectTruth(seen);
        expect(seen.hosts.map(({ build, state }) => `${build} ${state}`)).toEqual(
          Array(3).fill(`${first} match`),
        );
      });
      const { items } = await all.rig.api<{ items: DeploymentAnswer[] }>('GET', `${SHOP}/deployments`);
      expect(items.filter(({ finishedAt }) => finishedAt === null)).toEqual([]);
    }

    test('a host that dies leaves nothing broken, and what is said of it is true', async () => {
      const promotions = await begin('The host dies');
      await all.hosts.hosts[1]?.crash();
      letGo();
      await together(async (environment) => {
        const ended = await environment.done(promotions.get(environment.name) ?? '');
        expect(ended.deployment?.status).toBe('errored');
        const told = await environment.settled();
        environment.expectTruth(told);
        expect([told.hosts[1]?.isKnown, told.hosts[1]?.state]).toEqual([false, 'unreachable']);
        // What was healthy on all stays; what was not is undone wherever it can be.
        const others = ['finish', 'unlock'].includes(environment.name) ? 'two' : 'one';
        expect([environment.content(0), environment.content(2)]).toEqual([others, others]);
      });
      await all.hosts.hosts[1]?.start();
      await all.pin(1);
      await together(async (environment) => {
        const seen = await environment.look();
        environment.expectTruth(seen);
        expect(seen.hosts.map(({ isKnown }) => isKnown)).toEqual([true, true, true]);
      });
      await expectReturn();
    });

    test('a runner that is killed leaves nothing broken, and what is said is true', async () => {
      const promotions = await begin('The runner ends');
      await all.killDeployer();
      letGo();
      all.startDeployer();
      await together(async (environment) => {
        const ended = await environment.done(promotions.get(environment.name) ?? '');
        expect(ended.deployment?.status).toBe('errored');
        const told = await environment.settled();
        environment.expectTruth(told);
        expect(told.hosts.map(({ isKnown, healthy }) => isKnown && healthy)).toEqual([true, true, true]);
      });
      await expectReturn();
    });

    test('a server that is killed leaves nothing broken, and what is said is true', async () => {
      const promotions = await begin('The server ends');
      await all.rig.server.kill();
      for (const environment of environments)
        for (const content of environment.contents()) expect(['one', 'two']).toContain(content);
      letGo();
      await all.rig.startServer();
      await together(async (environment) => {
        // A server that comes back in time finds the deployment as it went on.
        const ended = await environment.done(promotions.get(environment.name) ?? '');
        expect(['passed', 'errored']).toContain(ended.deployment?.status);
        const told = await environment.settled();
        environment.expectTruth(told);
        expect(told.hosts.map(({ isKnown, healthy }) => isKnown && healthy)).toEqual([true, true, true]);
      });
      await expectReturn();
    });

    /** Does something in every environment; what goes wrong says where. */
    async function together(work: (environment: Environment) => Promise<void>): Promise<void> {
      const results = await Promise.allSettled(environments.map(work));
      const wrong = results.flatMap((result, index) =>
        result.status === 'rejected' ? [[environments[index]?.name, result.reason] as const] : [],
      );
      for (const [name, reason] of wrong) throw new Error(`at ${name}: ${reason.message}`, { cause: reason });
    }
  });

  test('an artifact whose bytes were changed where they are kept is refused, and no host is touched', async () => {
    const production = all.at('production');
    const head = all.project.repository.commit('Three', all.files('three'));
    const build = await all.build(head);
    const { artifacts } = await all.rig.api<Build>('GET', `${SHOP}/builds/${build}`);
    const [{ sha256 } = { sha256: '' }] = artifacts;
    const blobs = all.rig.path('data');
    const file = readdirSync(blobs, { recursive: true, encoding: 'utf8' }).find((name) =>
      name.endsWith(sha256),
    );
    writeFileSync(join(blobs, file ?? ''), 'tampered');
    const touched = () => [0, 1, 2].map((host) => readdirSync(production.place.at(host, '.reprise')).sort());
    const before = [production.contents(), touched()];
    const refused = await production.promote(build);
    expect(refused.deployment).toMatchObject({ status: 'errored' });
    expect(refused.why).toContain('no longer has its digest');
    expect([production.contents(), touched()]).toEqual(before);
  });

  test('hostile branches, tags, subjects and reasons are only text on every host', async () => {
    const { hosts, project } = all;
    const production = all.at('production');
    const before = production.place.revisions(0).length;
    const canary = join(hosts.dir, 'canary');
    const run = (n: number) =>
      `$(touch\${IFS}${canary}${n})\`touch\${IFS}${canary}${n}\`;touch\${IFS}${canary}${n}`;
    const branch = `x';${run(1)};"|${run(2)}&#`;
    project.repository.git('checkout', '--quiet', '-b', branch);
    const head = project.repository.commit(`${run(3)}'"`, all.files('hostile'));
    project.repository.git('tag', `v1.0.0-${run(4)}'`);
    const build = await all.build(head, branch);
    const reasons = Object.values(HOSTILE_TEXTS)
      .map((text) => text.replaceAll('/tmp/reprise-canary', `${canary}5`).replaceAll('\0', ''))
      .filter((text) => text.trim() !== '');
    const reason = [run(6), `'${run(7)}'`, ...reasons].join('\n').slice(0, 4000);
    const { deployment } = await production.promote(build, reason);
    expect(deployment).toMatchObject({ status: 'passed' });
    // What is too long for one reason goes in others.
    for (const name of ['shell newline', 'option proxy command', 'format string', 'line separators']) {
      const text = HOSTILE_TEXTS[name]?.replaceAll('/tmp/reprise-canary', `${canary}8`);
      const { why, ...promotion } = await production.promote(build, text);
      expect([name, why, promotion.deployment?.status]).toEqual([name, '', 'passed']);
    }
    for (const index of [0, 1, 2]) {
      expect(production.content(index)).toBe('hostile');
      const lines = production.place.revisions(index).slice(before);
      expect(lines).toHaveLength(5);
      expect(lines[0]).toContain(branch);
    }
    await expect(production.ask(build, 'a\0b')).rejects.toThrow(/400 .*NUL/);
    expect((await production.goBack(run(9)))?.deployment).toMatchObject({ status: 'passed' });
    expect(readdirSync(hosts.dir).filter((name) => name.startsWith('canary'))).toEqual([]);
    expect(existsSync('/tmp/reprise-canary')).toBe(false);
  });
});
