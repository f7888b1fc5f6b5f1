import type { RetentionPreview } from '@reprise/server/retention/retention.api.ts';
import { expect, test } from 'vitest';
import { Promotable } from '../../rig/promotable.ts';
import { sha256 } from '../../rig/puppet-runner.ts';

const DAY_MS = 24 * 3_600_000;
const QUIET = { REPRISE_PROBE_MINUTES: '0', REPRISE_LOOK_MINUTES: '0' };
const NO_LIMITS = { days: null, builds: null, bytes: null, records: 'stay' };

test.each([{ rules: { builds: 2 } }, { rules: { bytes: 30 } }])(
  'builds that were promoted take no place of those that come after them: %j',
  async ({ rules }) => {
    await using shop = await Promotable.start({ prod: { path: '/srv/prod', hosts: ['local'] } }, QUIET);
    for (let number = 1; number <= 4; number++) {
      await shop.build();
      await shop.deploy(number, 'prod');
    }
    const failed = [
      await fails(shop, 'why #5 did'),
      await fails(shop, 'why #6 did'),
      await fails(shop, 'why'),
    ];
    await shop.here.admin('PATCH', '/api/projects/shop', { retention: { ...NO_LIMITS, ...rules } });
    await shop.here.services.retention.sweep();
    const kept = await Promise.all(failed.map((attempt) => shop.here.services.logs.size(attempt)));
    expect(kept).toEqual('builds' in rules ? [0, 10, 3] : [10, 10, 3]);
  },
);

test('the newest build stays however much it holds', async () => {
  await using shop = await Promotable.start({}, QUIET);
  await fails(shop, 'little');
  await fails(shop, 'more than is allowed');
  const preview = await previewed(shop, 'bytes=10');
  expect(preview).toMatchObject({ goes: { items: [{ number: 1 }] }, stays: [], complete: true });
});

test('an old build that was retried is young again, and holds up none of those after it', async () => {
  await using shop = await Promotable.start({}, QUIET);
  const real = shop.here.services.now;
  await fails(shop, 'not yet');
  for (let number = 2; number <= 5; number++) await shop.build();
  shop.here.services.now = () => real() + 100 * DAY_MS;
  await shop.here.admin('POST', '/api/projects/shop/builds/1/jobs/package/retry', {});
  expect((await previewed(shop, 'days=30')).goes.items.map(({ number }) => number)).toEqual([2, 3, 4, 5]);
  await shop.builder.finish(await shop.builder.take(), { status: 'failed' });
  await shop.build();
  await shop.here.admin('PATCH', '/api/projects/shop', { retention: { ...NO_LIMITS, days: 30 } });
  const run = await shop.here.admin('POST', '/api/projects/shop/retention/run');
  expect(run.body).toMatchObject({ builds: 4, complete: true });
  const { held } = (await shop.here.admin('GET', '/api/projects/shop/retention')).body;
  expect(held.builds).toBe(2);
});

/** A build that failed and said so; returns its attempt. */
async function fails({ here, builder, project }: Promotable, text: string): Promise<string> {
  const { body } = await here.admin('POST', '/api/projects/shop/builds', { ref: project.head });
  await here.planned('shop', body.number);
  const work = await builder.take();
  await builder.log(work, 0, text);
  await builder.finish(work, { status: 'failed', logSize: text.length, logSha256: sha256(text) });
  return work.attempt;
}

async function previewed({ here }: Promotable, query: string): Promise<RetentionPreview> {
  return (await here.admin('GET', `/api/projects/shop/retention/preview?${query}`)).body;
}
