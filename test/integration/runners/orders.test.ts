import { newId } from '@reprise/server/db/id.ts';
import { Refusal } from '@reprise/server/http/refusal.ts';
import { claimJob } from '@reprise/server/queue/claim.ts';
import { sweep } from '@reprise/server/queue/sweep.ts';
import { attemptOf, runningAttemptOf } from '@reprise/server/runners/attempt.store.ts';
import { finishAttempt } from '@reprise/server/runners/finish.ts';
import { recordProgress } from '@reprise/server/runners/progress.ts';
import { TRUSTED } from '@reprise/server/runners/quarantine.ts';
import { renewRunner } from '@reprise/server/runners/renew.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Message, ProtocolModel } from '../../rig/protocol-model.ts';
import { finishOf, PuppetRunner, stepState } from '../../rig/puppet-runner.ts';
import { QueueServer } from '../../rig/queue-server.ts';

/** About 10,000 messages in all. */
const RUNS = 700;

const runner = fc.nat({ max: 1 });
const attempt = fc.nat({ max: 3 });
const fence = fc.integer({ min: 0, max: 9 }).map((n) => n > 0);
const message: fc.Arbitrary<Message> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('claim' as const), runner, claimId: fc.nat({ max: 5 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('progress' as const), attempt, runner, fence }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('finish' as const),
      attempt,
      runner,
      fence,
      status: fc.constantFrom('passed', 'passed', 'failed', 'errored', 'cancelled'),
      variant: fc.nat({ max: 1 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('renew' as const), runner, keep: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'expire' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'cancel' as const }) },
);

test('in whatever order messages come, the server answers and ends as the model does', {
  timeout: 300_000,
}, async () => {
  await using server = await QueueServer.start();
  await PuppetRunner.connect(server, { name: 'runner-0' });
  await PuppetRunner.connect(server, { name: 'runner-1' });
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 30 }), fc.nat({ max: 1 }), async (messages, retries) => {
      const model = new ProtocolModel(retries);
      await using world = await World.make(server, retries);
      for (const said of messages) {
        expect(await world.tell(said), JSON.stringify(said)).toBe(model.tell(said));
        const { jobs, attempts } = await server.state(world.build);
        expect(jobs.map(({ status }) => status)).toEqual(model.jobs.map(({ status }) => status));
        expect(attempts.filter(({ status }) => status === 'running').length).toBe(model.running().length);
      }
      const { build, attempts } = await server.state(world.build);
      expect(build.status).toBe(model.build);
      expect(attempts.filter(({ finish_sha256 }) => finish_sha256 !== null).length).toBe(
        model.attempts.filter(({ result }) => result !== null).length,
      );
    }),
    { numRuns: RUNS },
  );
});

/** The real thing under the same messages: one build, two runners, in one database. */
class World implements AsyncDisposable {
  readonly #server: QueueServer;
  readonly build: number;
  readonly #claims = Array.from({ length: 6 }, () => newId());
  /** In the order in which they were claimed. */
  readonly #attempts: { id: string; fence: string }[] = [];

  static async make(server: QueueServer, retry: number): Promise<World> {
    // Of what went before the runners are forgiven: the model knows of one build only.
    await server.services.db.updateTable('runners').set(TRUSTED).execute();
    return new World(
      server,
      await server.build({ name: 'first', retry }, { name: 'second', needs: ['first'] }),
    );
  }

  private constructor(server: QueueServer, build: number) {
    this.#server = server;
    this.build = build;
  }

  async tell(said: Message): Promise<number> {
    try {
      return await this.#do(said);
    } catch (error) {
      if (error instanceof Refusal) return error.status;
      throw error;
    }
  }

  async #do(said: Message): Promise<number> {
    const { services, clock } = this.#server;
    switch (said.kind) {
      case 'claim':
        return this.#claim(said);
      case 'progress': {
        const held = await runningAttemptOf(services.db, await this.#runner(said.runner), this.#about(said));
        await recordProgress(services, held, { steps: [stepState('true')] });
        return 204;
      }
      case 'finish': {
        const held = await attemptOf(services.db, await this.#runner(said.runner), this.#about(said));
        await finishAttempt(services, held, finishOf({ status: said.status, why: String(said.variant) }));
        return 200;
      }
      case 'renew':
        return this.#renew(said);
      case 'expire':
        clock.advance(services.config.times.reassignMs + 1);
        await sweep(services);
        return 200;
      case 'cancel':
        await this.#server.cancel(this.build);
        return 200;
      default:
        return said satisfies never;
    }
  }

  async #claim(said: Message & { kind: 'claim' }): Promise<number> {
    const { db, now, config } = this.#server.services;
    const { id, instance } = await this.#runner(said.runner);
    const ask = { instance: instance ?? '', claimId: this.#claims[said.claimId] ?? '' };
    const taken = await claimJob(db, id, ask, { now, leaseMs: config.times.reassignMs });
    if (typeof taken === 'string') return 204;
    const { attempt, fence } = taken.got;
    if (!this.#attempts.some((known) => known.id === attempt)) this.#attempts.push({ id: attempt, fence });
    return 200;
  }

  async #renew(said: Message & { kind: 'renew' }): Promise<number> {
    const runner = await this.#runner(said.runner);
    const holding = said.keep ? this.#attempts.map(({ id, fence }) => ({ attempt: id, fence })) : [];
    const ask = { instance: runner.instance ?? '', holding, claiming: [], immediate: true };
    await renewRunner(this.#server.services, runner, { ask, signal: new AbortController().signal });
    return 200;
  }

  #about({ attempt, fence }: { attempt: number; fence: boolean }): { id: string; fence: string } {
    const known = this.#attempts[attempt % this.#attempts.length];
    if (!known) return { id: newId(), fence: newId() };
    return fence ? known : { ...known, fence: newId() };
  }

  #runner(which: number) {
    return this.#server.services.db
      .selectFrom('runners')
      .selectAll()
      .where('name', '=', `runner-${which}`)
      .executeTakeFirstOrThrow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.services.db.deleteFrom('builds').where('number', '=', this.build).execute();
  }
}
