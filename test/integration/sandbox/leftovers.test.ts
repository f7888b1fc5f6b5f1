import { afterAll, describe, expect, test, vi } from 'vitest';
import { tempDir } from '../../rig/temp.ts';
import { outputOf, processes, says, startSmallRunner } from './outside.ts';
import { sandboxRig } from './rig.ts';

const rig = await sandboxRig();
afterAll(() => rig[Symbol.asyncDispose]());

/** How long the things that stay behind would sleep; nobody else on this machine sleeps for just as long. */
const SECONDS = 70_000 + (process.pid % 10_000);
const NAP = `sleep ${SECONDS}`;
const napping = () => processes().filter(({ command }) => command === NAP);

/** Each leaves a process behind that would outlive the step. */
const DAEMONS = {
  'a background job that holds the output': `${NAP} &`,
  'a session of its own that holds the output': `setsid ${NAP} &`,
  'a daemon, forked twice': `(setsid sh -c '${NAP} >/dev/null 2>&1 &') >/dev/null 2>&1`,
  'one that ignores HUP': `nohup ${NAP} >/dev/null 2>&1 &`,
  'one that ignores TERM': `(trap '' TERM; exec ${NAP}) &`,
  'one that its parent does not wait for': `sh -c '${NAP} & exec true' &`,
};

describe.each(Object.entries(DAEMONS))('%s is gone', (_, daemon) => {
  test('when the step ends, and does not hold it up', async () => {
    expect(await rig.run(`${daemon}\necho ended`)).toMatchObject({ kind: 'exited', output: 'ended\n' });
    expect(napping()).toEqual([]);
  });

  test('when the step is cancelled', async () => {
    const controller = new AbortController();
    const result = await rig.run(`trap '' TERM; ${daemon}\necho ready; sleep 600`, {
      signal: controller.signal,
      killGraceMs: 20,
      onOutput: () => controller.abort(),
    });
    expect(result).toMatchObject({ kind: 'signalled' });
    expect(napping()).toEqual([]);
  });

  test('when the runner is killed, with everything that belongs to it', async () => {
    using dir = tempDir();
    const runner = startSmallRunner([dir.join('data'), `${daemon}\necho ready; sleep 600`]);
    await says(runner, 'ready');
    const its = processes().filter(({ parent }) => parent === runner.pid);
    expect(its.map(({ command }) => command.split(' ')[0]?.replace(/.*\//, '')).sort()).toEqual([
      'bwrap',
      'cat',
      'slirp4netns',
    ]);
    runner.kill('SIGKILL');
    await vi.waitFor(
      () => {
        const left = processes().filter(({ pid }) => its.some((one) => one.pid === pid));
        expect([...left, ...napping()]).toEqual([]);
      },
      { timeout: 2000, interval: 10 },
    );
  });
});

test('without a process namespace it would stay', async () => {
  const daemon = DAEMONS['a daemon, forked twice'];
  await rig.runWeakened(daemon, {
    options: (options) => options.without('--unshare-pid', '--as-pid-1', '--die-with-parent'),
  });
  const left = napping();
  for (const { pid } of left) process.kill(pid, 'SIGKILL');
  expect(left).toHaveLength(1);
});

test('a slot whose network was killed gets a new one', async () => {
  const network = processes().filter(
    ({ parent, command }) => parent === process.pid && command.includes('slirp4netns'),
  );
  expect(network).toHaveLength(1);
  for (const { pid } of network) process.kill(pid, 'SIGKILL');
  // Until the runner has heard of it, a step still comes into the old one.
  await vi.waitFor(async () => {
    expect(await rig.run('grep -c tap0 /proc/net/dev')).toMatchObject({ kind: 'exited', output: '1\n' });
  });
});

test('a descriptor that was open when the runner started is not open in a step', async () => {
  using dir = tempDir();
  const leaky = ['bash', '-c', 'exec 251</etc/hostname; exec "$@"', 'leaky'];
  const output = await outputOf(
    startSmallRunner([dir.join('data'), 'ls /proc/1/fd | tr "\\n" " "; echo'], leaky),
  );
  expect(output.split('\n')[0]).toBe('0 1 2 ');
});
