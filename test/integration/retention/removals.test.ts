import { removeBytes } from '@reprise/server/retention/removals.ts';
import type { Services } from '@reprise/server/services.ts';
import type { KyselyPlugin } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Promotable } from '../../rig/promotable.ts';
import { packed, sha256 } from '../../rig/puppet-runner.ts';
import { tempDir } from '../../rig/temp.ts';

const MINUTE_MS = 60_000;

let shop: Promotable;
const otherDir = tempDir();
/** Minutes that the servers' clock is ahead. */
let minutesOn = 0;
beforeAll(async () => {
  shop = await Promotable.start({}, { REPRISE_PROBE_MINUTES: '0', REPRISE_LOOK_MINUTES: '0' });
  const real = shop.here.services.now;
  shop.here.services.now = () => real() + minutesOn * MINUTE_MS;
});
afterAll(async () => {
  await shop[Symbol.asyncDispose]();
  otherDir[Symbol.dispose]();
});

const has = (text: string) => shop.here.services.blobs.has(sha256(text));

test('what one server is removing no other removes, and a job that brings it anew keeps it', async () => {
  const job = await jobBringing('slow to go');
  const gate = new Gate();
  const { blobs } = shop.here.services;
  const slow = Object.create(blobs, { remove: { value: gate.before(blobs.remove.bind(blobs)) } });
  const removing = removeBytes(otherServer({ blobs: slow }));
  await gate.reached;

  await shop.here.admin('POST', '/api/projects/shop/retention/run');
  expect((await job.put()).status).toBe(503);
  expect((await job.finish()).status).toBe(503);

  gate.open();
  await removing;
  expect((await job.put()).status).toBe(201);
  expect((await job.finish()).status).toBe(200);
  await removeBytes(shop.here.services);
  expect(await has('slow to go')).toBe(true);
});

test('what a server died over is removed by another after a while', async () => {
  const job = await jobBringing('died over');
  const dies = Object.create(shop.here.services.blobs, {
    remove: { value: () => Promise.reject(new Error('killed')) },
  });
  await removeBytes(otherServer({ blobs: dies }));
  minutesOn += 10;
  await removeBytes(shop.here.services);
  expect(await has('died over')).toBe(true);
  minutesOn += 6;
  await removeBytes(shop.here.services);
  expect(await has('died over')).toBe(false);
  expect((await job.put()).status).toBe(201);
  expect((await job.finish()).status).toBe(200);
});

test('a server that was held up between its claim and the removal leaves what came meanwhile', async () => {
  const job = await jobBringing('came meanwhile');
  const gate = new Gate();
  const removing = removeBytes(otherServer({ db: shop.here.services.db.withPlugin(afterFirstUpdate(gate)) }));
  await gate.reached;
  minutesOn += 16;
  await removeBytes(shop.here.services);
  expect(await has('came meanwhile')).toBe(false);
  expect((await job.put()).status).toBe(201);
  expect((await job.finish()).status).toBe(200);
  gate.open();
  await removing;
  expect(await has('came meanwhile')).toBe(true);
});

/** Where the test holds something up. */
class Gate {
  readonly #reached = Promise.withResolvers<void>();
  readonly #open = Promise.withResolvers<void>();
  readonly reached = this.#reached.promise;

  open(): void {
    this.#open.resolve();
  }

  pass(): Promise<void> {
    this.#reached.resolve();
    return this.#open.promise;
  }

  before<Key>(work: (key: Key) => Promise<void>): (key: Key) => Promise<void> {
    return async (key) => {
      await this.pass();
      await work(key);
    };
  }
}

/** Holds up whoever has changed a record, once. */
function afterFirstUpdate(gate: Gate): KyselyPlugin {
  let update: object | null = null;
  return {
    transformQuery({ node, queryId }) {
      if (node.kind === 'UpdateQueryNode') update ??= queryId;
      return node;
    },
    async transformResult({ queryId, result }) {
      if (queryId === update) await gate.pass();
      return result;
    },
  };
}

/** Another server on the same records and storage, with a data directory of its own. */
function otherServer(its: Partial<Services>): Services {
  const { services } = shop.here;
  return { ...services, config: { ...services.config, dataDir: otherDir.path }, ...its };
}

/** A running job and its artifact, whose bytes are stored and due for removal, as nothing led to them for an hour. */
async function jobBringing(content: string) {
  const { here, builder } = shop;
  const { body } = await here.admin('POST', '/api/projects/shop/builds', { ref: shop.project.head });
  await here.planned('shop', body.number);
  const work = await builder.take();
  const list = `list of ${content}`;
  for (const bytes of [content, list]) await builder.putBlob(work, bytes);
  const due = { store: 'blobs' as const, key: sha256(content), due_at: 1 };
  await here.services.db.insertInto('removals').values(due).execute();
  const artifact = { ...packed('site', content, list), fileName: `site-${work.version}.tar.gz` };
  return {
    put: () => builder.putBlob(work, content),
    finish: () => builder.finish(work, { artifacts: [artifact] }),
  };
}
