import { type Hello, PROTOCOL_VERSION, paths } from '@reprise/runner/protocol.ts';
import { newId } from '@reprise/server/db/id.ts';
import type { Rig } from '../rig/reprise.ts';
import { atMost, type Benchmark, ratioAtMost } from './benchmark.ts';
import { Client } from './client.ts';
import { curve } from './curve.ts';
import { alternate, percentile } from './measure.ts';
import { pipelineOf } from './repositories.ts';
import { startRig } from './reprise.ts';
import { seedBuilds } from './seed.ts';

const CLAIMS = 50;

export const claim: Benchmark = {
  name: 'claim',
  what: 'a runner claims a job, over HTTP and durably, while 10,000 are queued and 100,000 builds are kept',
  plain: 'the same server with 1,000 queued and 1,000 kept',
  goal: { 'claimed, half of them': atMost(5), 'claimed, 99 of 100': ratioAtMost(1.5) },
  async run(context) {
    await using rigs = new AsyncDisposableStack();
    context.say('fills the queues');
    using ofMany = await runnerOf(rigs.use(await startRig('server')), { kept: 100_000, queued: 10_000 });
    using ofSome = await runnerOf(rigs.use(await startRig('server')), { kept: 10_000, queued: 1_000 });
    using ofFew = await runnerOf(rigs.use(await startRig('server')), { kept: 1_000, queued: 1_000 });
    const times = await alternate(context, {
      many: () => ofMany.claimOften(),
      some: () => ofSome.claimOften(),
      few: () => ofFew.claimOften(),
    });
    return curve('claimed', times);
  },
};

/** A runner that only claims, and so measures nothing but the server. */
async function runnerOf(rig: Rig, { kept, queued }: { kept: number; queued: number }) {
  await rig.project('busy', { '.reprise.yml': pipelineOf('true') });
  await seedBuilds(rig, 'busy', { builds: kept, status: 'passed' });
  await seedBuilds(rig, 'busy', { builds: queued, status: 'queued' });
  const added = { name: 'claimer', labels: ['linux'] };
  const { token } = await rig.api<{ token: string }>('POST', '/api/runners', added);
  const client = new Client(rig.address, { token });
  const instance = newId();
  const hello: Hello = {
    protocol: PROTOCOL_VERSION,
    version: '0',
    instance,
    labels: null,
    capacity: 1,
    sandbox: 'none',
    toolchain: { fingerprint: '0'.repeat(64), tools: {} },
  };
  const post = (path: string, body: object) =>
    client.ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(body)),
    });
  await post(paths.hello, hello);
  return {
    async claimOften(): Promise<{ p50: number; p99: number }> {
      const times: number[] = [];
      for (let count = 0; count < CLAIMS; count += 1) {
        const { status, ms } = await post(paths.claim, { instance, claimId: newId() });
        if (status !== 200) throw new Error(`A claim was answered ${status} while jobs were queued.`);
        times.push(ms);
      }
      return { p50: percentile(times, 50), p99: percentile(times, 99) };
    },
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}
