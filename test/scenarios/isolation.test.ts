import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Rig } from '../rig/reprise.ts';

/** Prints everything a step could look for, and tries what it must not be able to do. */
const NOSY = `
echo "== environment"; env
echo "== of process 1"; tr '\\0' '\\n' < /proc/1/environ; tr '\\0' ' ' < /proc/1/cmdline
echo "== descriptors"; for fd in $(seq 0 300); do test -e /proc/$$/fd/$fd && echo "fd $fd"; done
echo "== root"; ls -la /root /home 2>&1 || true
echo "== shadow"; cat /etc/shadow 2>&1 || true
echo "== processes"; cat /proc/[0-9]*/cmdline | tr '\\0' ' '
echo "== server"; (exec 3<>/dev/tcp/127.0.0.1/$PORT) 2>/dev/null && echo "reached the host" || echo "not reached"
echo "== mount"; mount -t tmpfs none /mnt 2>/dev/null && echo "mounted" || echo "not mounted"
echo "== user namespace"; unshare -U true 2>/dev/null && echo "made" || echo "not made"
echo "== daemon"; (setsid sh -c 'exec -a $MARK sleep 600' >/dev/null 2>&1 &) ; echo started
`;

test('a nosy step gets nothing of the host and leaves nothing behind', async () => {
  await using rig = await Rig.start();
  const mark = `reprise-daemon-${process.pid}-${Date.now()}`;
  const { token } = await rig.api<{ token: string }>('POST', '/api/runners', {
    name: 'careful',
    labels: ['linux'],
  });
  const runner = rig.restartRunner('careful', token, { env: { CANARY: 'canary-of-the-runner' } });
  const steps = [{ run: NOSY.replaceAll('$MARK', mark).replaceAll('$PORT', new URL(rig.address).port) }];
  const project = await rig.project('nosy', {
    '.reprise.yml': JSON.stringify({ version: 1, jobs: { look: { steps } } }),
  });
  const number = await rig.push(project, project.head);
  expect(await rig.ended('nosy', number)).toMatchObject({ status: 'passed' });

  const log = await rig.log('nosy', number, 'look');
  const section = (name: string) => log.split(`== ${name}\n`)[1]?.split('\n==')[0] ?? '';
  for (const secret of ['canary-of-the-runner', token, 'the-token-of-the-tests-administrator']) {
    expect(log).not.toContain(secret);
  }
  expect(section('environment')).toContain('REPRISE_COMMIT=');
  expect(section('environment')).not.toMatch(/npm_|REPRISE_(SERVER|RUNNER_TOKEN|DATA_DIR|ADMIN)/);
  // 255 is bash's own, on the script it reads.
  expect(
    section('descriptors')
      .match(/fd \d+/g)
      ?.filter((fd) => fd !== 'fd 255'),
  ).toEqual(['fd 0', 'fd 1', 'fd 2']);
  expect(section('root')).toMatch(/No such file|Permission denied/);
  expect(section('shadow')).toMatch(/No such file|Permission denied/);
  expect(section('processes')).not.toContain(String(runner.child.pid));
  expect(section('processes')).not.toMatch(/node|vitest/);
  expect(section('server')).toBe('not reached');
  expect(section('mount')).toBe('not mounted');
  expect(section('user namespace')).toBe('not made');
  expect(commandLines().filter((line) => line.includes(mark))).toEqual([]);
});

test('what a step leaves in its workspace, HOME and /tmp is not there for the next build', async () => {
  await using rig = await Rig.start();
  await rig.startRunner('one');
  const run =
    'ls -A "$HOME" /tmp . | tee /dev/stderr; touch trace "$HOME/trace" /tmp/trace; mkdir -p .git/hooks; printf "#!/bin/sh\\nexit 1\\n" > .git/hooks/post-checkout; chmod +x .git/hooks/post-checkout';
  const project = await rig.project('traces', {
    '.reprise.yml': JSON.stringify({ version: 1, jobs: { leave: { steps: [{ run }] } } }),
  });
  const first = await rig.push(project, project.head);
  await rig.ended('traces', first);
  const { number } = await rig.api<{ number: number }>(
    'POST',
    `/api/projects/traces/builds/${first}/rebuild`,
    {},
  );
  expect(await rig.ended('traces', number)).toMatchObject({ status: 'passed' });
  expect(await rig.log('traces', number, 'leave')).not.toContain('trace\n');
});

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return []; // It ended while we looked.
      }
    });
}
