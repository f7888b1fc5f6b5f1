import { Line, type Taken } from '@reprise/server/queue/line.ts';
import { expect, test } from 'vitest';

interface Ask {
  kind: string;
  name: string;
}

const FOREVER = { waitMs: 1_000_000, signal: new AbortController().signal };

test('one refusal in a round stands for all of its kind, and others are still asked', async () => {
  const asked: string[] = [];
  const line = new Line<Ask, string>(async ({ name }) => {
    asked.push(name);
    return 'nothing';
  });
  const waiting = [ask('a', 'linux'), ask('b', 'linux'), ask('c', 'gpu')].map((who) =>
    line.wait(who, FOREVER),
  );
  await settled();
  asked.length = 0;
  line.serve();
  line.serve();
  await settled();
  expect(asked.slice(0, 2)).toEqual(['a', 'c']);
  expect(asked).not.toContain('b');
  line.dismiss(() => true);
  expect(await Promise.all(waiting)).toEqual([null, null, null]);
});

test('what is not for one may be for the next of its kind', async () => {
  const line = new Line<Ask, string>(async ({ name }) => (name === 'b' ? { got: 'job' } : 'not-for-you'));
  const first = line.wait(ask('a', 'linux'), FOREVER);
  expect(await line.wait(ask('b', 'linux'), FOREVER)).toBe('job');
  line.dismiss(({ name }) => name === 'a');
  expect(await first).toBeNull();
});

test('who leaves while being served still gets what was taken', async () => {
  const taking = Promise.withResolvers<Taken<string>>();
  const leaving = new AbortController();
  const line = new Line<Ask, string>(() => taking.promise);
  const waiting = line.wait(ask('a', 'linux'), { waitMs: 1_000_000, signal: leaving.signal });
  leaving.abort();
  taking.resolve({ got: 'job' });
  expect(await waiting).toBe('job');
});

test('a fault reaches the one who was being served, and the others are served', async () => {
  const line = new Line<Ask, string>(async ({ name }) => {
    if (name === 'a') throw new Error('the disk is full');
    return { got: 'job' };
  });
  const [first, second] = [line.wait(ask('a', 'linux'), FOREVER), line.wait(ask('b', 'linux'), FOREVER)];
  await expect(first).rejects.toThrow('the disk is full');
  expect(await second).toBe('job');
});

test('who is not served in a round is asked again by a call at its very end', async () => {
  let there = false;
  const line = new Line<Ask, string>(async () => (there ? { got: 'job' } : 'nothing'));
  for (let turns = 0; turns < 12; turns += 1) {
    there = false;
    const waiting = line.wait(ask('a', 'linux'), FOREVER);
    // A commit is seen some turns of the microtask queue after the try that came too early.
    for (let turn = 0; turn < turns; turn += 1) await undefined;
    there = true;
    line.serve();
    await settled();
    line.dismiss(() => true);
    expect(await waiting).toBe('job');
  }
});

function ask(name: string, kind: string): Ask {
  return { name, kind };
}

/** Lets everything that waits for nothing but a promise run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
