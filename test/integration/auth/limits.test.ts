import { SignInLimits, type Trying } from '@reprise/server/auth/limits.ts';
import { Tries } from '@reprise/server/auth/tries.ts';
import { Refusal } from '@reprise/server/http/refusal.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { allRecords } from '../../rig/records.ts';
import { ServerHere } from '../../rig/server-here.ts';

const FROM_HERE = '192.0.2.1';

let here: ServerHere;
let now = Date.now();
beforeAll(async () => {
  here = await ServerHere.start();
});
afterAll(() => here[Symbol.asyncDispose]());
beforeEach(async () => {
  await here.services.db.deleteFrom('tries').execute();
});

/** What one of the servers on these records counts with. */
function newLimits(): SignInLimits {
  return new SignInLimits(new Tries({ ...here.services, now: () => now }));
}

/** Whether the next try of an account from an address is let through, to fail. */
async function fails(
  limits: SignInLimits,
  account: string,
  address: string,
  isKnown = false,
): Promise<boolean> {
  try {
    await limits.take(trying(account, address, isKnown));
    return true;
  } catch (error) {
    if (error instanceof Refusal && error.status === 429) return false;
    throw error;
  }
}

function trying(account: string, address: string, isKnown = false): Trying {
  return { account, address, isKnownPlace: async () => isKnown };
}

async function failTimes(limits: SignInLimits, times: number, account: string, address: string) {
  for (let at = 0; at < times; at += 1) expect(await fails(limits, account, address)).toBe(true);
}

test('the eleventh failed try of an account from one address is refused, for a quarter of an hour', async () => {
  const limits = newLimits();
  await failTimes(limits, 10, 'ada', FROM_HERE);
  await expect(limits.take(trying('ada', FROM_HERE))).rejects.toMatchObject({
    status: 429,
    code: 'rate-limited',
    message: 'Too many failed tries. Wait 15 minutes and try again.',
    extra: { retryAfter: 900 },
  });
  await expect(limits.assertOpen(trying('ada', FROM_HERE))).rejects.toMatchObject({ status: 429 });
  expect(await fails(limits, 'ada', '192.0.2.2')).toBe(true);
  expect(await fails(limits, 'bob', FROM_HERE)).toBe(true);
  now += 15 * 60_000 + 1;
  await limits.assertOpen(trying('ada', FROM_HERE));
  expect(await fails(limits, 'ada', FROM_HERE)).toBe(true);
});

test('a try that goes well forgives those before it', async () => {
  const limits = newLimits();
  await failTimes(limits, 9, 'ada', FROM_HERE);
  await limits.take(trying('ada', FROM_HERE));
  await limits.succeeded(trying('ada', FROM_HERE));
  await failTimes(limits, 10, 'ada', FROM_HERE);
  expect(await fails(limits, 'ada', FROM_HERE)).toBe(false);
});

test('one address that goes through many accounts is refused after thirty failures', async () => {
  const limits = newLimits();
  for (let at = 0; at < 30; at += 1) await failTimes(limits, 1, `user-${at}`, FROM_HERE);
  expect(await fails(limits, 'one-more', FROM_HERE)).toBe(false);
  expect(await fails(limits, 'one-more', '192.0.2.2')).toBe(true);
});

test('an account tried from everywhere is closed to strangers, never to where it is signed in from', async () => {
  const limits = newLimits();
  for (let at = 0; at < 100; at += 1) await failTimes(limits, 1, 'ada', `198.51.100.${at}`);
  expect(await fails(limits, 'ada', '203.0.113.1')).toBe(false);
  expect(await fails(limits, 'ada', '203.0.113.1', true)).toBe(true);
});

test('an IPv6 network counts as one address', async () => {
  const limits = newLimits();
  for (let at = 1; at <= 10; at += 1) await failTimes(limits, 1, 'ada', `2001:db8:0:1::${at}`);
  expect(await fails(limits, 'ada', '2001:db8:0:2::77')).toBe(false);
  expect(await fails(limits, 'ada', '2001:db8:1::77')).toBe(true);
});

test('tries made at once are counted before any of them has ended', async () => {
  const limits = newLimits();
  const tries = await Promise.all(Array.from({ length: 50 }, () => fails(limits, 'ada', FROM_HERE)));
  expect(tries.filter(Boolean).length).toBeLessThanOrEqual(10);
});

test('servers count together, and one that starts again forgives nothing', async () => {
  const [one, other] = [newLimits(), newLimits()];
  await failTimes(one, 5, 'ada', FROM_HERE);
  await failTimes(other, 5, 'ada', FROM_HERE);
  expect(await fails(one, 'ada', FROM_HERE)).toBe(false);
  await expect(newLimits().assertOpen(trying('ada', FROM_HERE))).rejects.toMatchObject({ status: 429 });
  await newLimits().succeeded(trying('ada', FROM_HERE));
  await one.assertOpen(trying('ada', FROM_HERE));
});

test('what was typed as a login is not kept, and what is over is taken away by the next failure', async () => {
  const limits = newLimits();
  await failTimes(limits, 1, 'correct horse battery staple', FROM_HERE);
  const records = await allRecords(here.services.db);
  expect(records).not.toContain('correct horse');
  expect(records).not.toContain(FROM_HERE);
  now += 15 * 60_000;
  await failTimes(limits, 1, 'bob', '192.0.2.2');
  expect(await here.services.db.selectFrom('tries').select('count').execute()).toEqual([
    { count: 1 },
    { count: 1 },
    { count: 1 },
  ]);
});
