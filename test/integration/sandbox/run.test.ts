import { createHash } from 'node:crypto';
import { chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { isRoot, STEP_ENV, sandboxRig } from './rig.ts';

const rig = await sandboxRig();
afterAll(() => rig[Symbol.asyncDispose]());

describe('the result', () => {
  test.for([
    ['exit 0', { kind: 'exited', code: 0 }],
    ['exit 3', { kind: 'exited', code: 3 }],
    ['kill -KILL $$', { kind: 'exited', code: 137 }],
    ['no-such-program', { kind: 'exited', code: 127 }],
  ] as const)('%s', async ([script, expected]) => {
    expect(await rig.run(script)).toMatchObject(expected);
  });

  test('a step that cannot start where it shall is the step that failed', async () => {
    expect(await rig.run('true', { cwd: '/workspace/missing' })).toEqual({
      kind: 'exited',
      code: 127,
      output: 'reprise: there is no directory /workspace/missing to start in\n',
    });
  });

  test('a sandbox that cannot start is broken, and says why', async () => {
    const result = await rig.run('true', {
      readOnly: [{ source: '/no/such/directory', target: '/opt/tools' }],
    });
    expect(result).toMatchObject({ kind: 'broken', why: expect.stringContaining('/no/such/directory') });
  });

  test('a mount that must not be is refused before anything starts', async () => {
    const result = await rig.run('true', {
      readOnly: [{ source: '/run/docker.sock', target: '/opt/docker.sock' }],
    });
    expect(result).toMatchObject({
      kind: 'broken',
      why: expect.stringContaining('/run/docker.sock is never shown'),
    });
  });
});

describe('the output', () => {
  test('both outputs come in one order, also when a step opens them by name', async () => {
    const script =
      'echo 1; echo 2 >&2; echo 3 >/dev/stdout; echo 4 >/dev/stderr; echo 5 | tee /dev/stderr >/dev/null';
    expect(await rig.run(script)).toMatchObject({ output: '1\n2\n3\n4\n5\n' });
  });

  test('nothing is lost or out of order when the reader is slow', async () => {
    const bytes = 8 * 1024 * 1024;
    const seen = createHash('sha256');
    let atOnce = 0;
    const { kind } = await rig.run(`yes 'a line of text' | head -c ${bytes}`, {
      onOutput: async (chunk) => {
        atOnce += 1;
        expect(atOnce).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        seen.update(chunk);
        atOnce -= 1;
      },
    });
    const expected = 'a line of text\n'.repeat(bytes).slice(0, bytes);
    expect(kind).toBe('exited');
    expect(seen.digest('hex')).toBe(createHash('sha256').update(expected).digest('hex'));
  });

  test('a reader that fails ends the sandbox and gets its error back', async () => {
    const onOutput = () => {
      throw new Error('the disk is full');
    };
    await expect(rig.run('echo; sleep 600', { onOutput })).rejects.toThrow('the disk is full');
    expect(await rig.run('echo next')).toMatchObject({ kind: 'exited', output: 'next\n' });
  });

  test('standard input is empty', async () => {
    expect(await rig.run('wc -c')).toMatchObject({ output: '0\n' });
  });
});

describe('preparing', () => {
  test('its output comes before onDone, and the step after that', async () => {
    const seen: string[] = [];
    // Asked one by one: to list them, or to redirect the list, the shell would open one more.
    const list = 'for fd in 0 1 2 3 4 5 6 7 8 9; do test -e /proc/$$/fd/$fd && printf "$fd "; done; true';
    const result = await rig.run(`echo step; ${list}`, {
      prepare: { script: 'pwd; echo two >&2', onDone: async () => void seen.push('done') },
      onOutput: (chunk) => void seen.push(chunk.toString()),
    });
    expect(result).toMatchObject({ kind: 'exited', code: 0 });
    expect(seen.join('|')).toMatch(/^\/workspace\n\|?two\n\|done\|step\n[|]?0 [|]?1 [|]?2 $/);
  });

  test('when it fails the step never runs', async () => {
    const done: string[] = [];
    const prepare = {
      script: 'set -e; echo before; (exit 7); echo after',
      onDone: () => void done.push('done'),
    };
    expect(await rig.run('echo step', { prepare })).toEqual({
      kind: 'unprepared',
      code: 7,
      output: 'before\n',
    });
    expect(done).toEqual([]);
  });

  test('what it sets in its shell does not reach the step', async () => {
    const prepare = { script: 'cd /; umask 077; PATH=/nowhere; exec 5</dev/null', onDone: () => {} };
    expect(await rig.run('pwd; umask; echo "$PATH"', { prepare })).toMatchObject({
      output: `/workspace\n0022\n${STEP_ENV.PATH}\n`,
    });
  });
});

describe('ending', () => {
  /** Aborts once the step has printed something. */
  const abortOnOutput = () => {
    const controller = new AbortController();
    const chunks: string[] = [];
    return {
      signal: controller.signal,
      output: () => chunks.join(''),
      onOutput: (chunk: Buffer) => {
        chunks.push(chunk.toString());
        controller.abort();
      },
    };
  };

  test('TERM reaches the step, which may end in its own way', async () => {
    const ending = abortOnOutput();
    const script = 'trap "echo tidied; exit 9" TERM; echo ready; sleep 600 & wait';
    expect(await rig.run(script, ending)).toMatchObject({ kind: 'exited', code: 9 });
    expect(ending.output()).toContain('ready\ntidied\n');
  });

  test('TERM reaches what the step has started too, so that a shell which waits for it goes on', async () => {
    const ending = abortOnOutput();
    const script = 'trap "echo tidied; exit 9" TERM; sh -c "echo ready; exec sleep 600"; echo never';
    expect(await rig.run(script, ending)).toMatchObject({ kind: 'exited', code: 9 });
    expect(ending.output()).toContain('tidied');
    expect(ending.output()).not.toContain('never');
  });

  test('one that ignores TERM is killed after its grace', async () => {
    const ending = { ...abortOnOutput(), killGraceMs: 50 };
    const script = 'trap "" TERM; echo ready; sleep 600; sleep 600';
    expect(await rig.run(script, ending)).toMatchObject({ kind: 'signalled', signal: 'SIGKILL' });
  });

  test('one that was cancelled before it began ends at once', async () => {
    const started = performance.now();
    const result = await rig.run('sleep 600', { signal: AbortSignal.abort(), killGraceMs: 5000 });
    expect(result).toMatchObject({ kind: 'exited', code: 143 });
    expect(performance.now() - started).toBeLessThan(4000);
  });

  test('cancelling a checkout ends it like a step', async () => {
    const ending = abortOnOutput();
    const prepare = { script: 'echo fetching; sleep 600', onDone: () => expect.unreachable() };
    expect(await rig.run('true', { ...ending, prepare })).toMatchObject({ kind: 'unprepared', code: 143 });
  });
});

describe('what a step finds', () => {
  test('exactly its environment', async () => {
    const env = {
      ...STEP_ENV,
      EMPTY: '',
      LINES: 'one\ntwo',
      'odd-name': '--bind / /',
      LONG: 'x'.repeat(100_000),
    };
    const { output } = await rig.run("tr '\\0' '\\t' </proc/1/environ", { env });
    const found = Object.fromEntries(
      output
        .split('\t')
        .filter(Boolean)
        .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
    );
    expect(found).toEqual({ ...env, PWD: '/workspace' });
  });

  test('the same user, host, mask, clock zone and limits everywhere', async () => {
    const script = 'id -un; id -u; id -G; uname -n; umask; date +%Z; ulimit -c; cat /proc/self/oom_score_adj';
    expect(await rig.run(script, { env: { PATH: STEP_ENV.PATH } })).toMatchObject({
      output: 'build\n1000\n1000\nbuild\n0022\nUTC\n0\n500\n',
    });
  });

  test('three directories to write to, which are the host directories of the attempt', async () => {
    await rig.run('echo one >/workspace/a; echo two >$HOME/b; echo three >/tmp/c; chmod 700 /workspace/a');
    const attempt = `${rig.directory}/attempt`;
    expect(readFileSync(`${attempt}/workspace/a`, 'utf8')).toBe('one\n');
    expect(readFileSync(`${attempt}/home/b`, 'utf8')).toBe('two\n');
    expect(readFileSync(`${attempt}/tmp/c`, 'utf8')).toBe('three\n');
    expect(statSync(`${attempt}/workspace/a`).uid).toBe(rig.slot.owner?.uid ?? process.getuid?.());
  });

  test('mounts: some to read, some to write', async () => {
    for (const name of ['tools', 'exchange']) mkdirSync(`${rig.directory}/${name}`);
    writeFileSync(`${rig.directory}/tools/tool`, 'a tool\n');
    if (rig.slot.owner) chownSync(`${rig.directory}/exchange`, rig.slot.owner.uid, rig.slot.owner.gid);
    const { output } = await rig.run(
      'cat /opt/tools/tool; touch /opt/tools/new; echo left >/reprise/step/env',
      {
        readOnly: [{ source: `${rig.directory}/tools`, target: '/opt/tools' }],
        writable: [{ source: `${rig.directory}/exchange`, target: '/reprise/step' }],
      },
    );
    expect(output).toMatch(/^a tool\ntouch: .*Read-only file system\n$/);
    expect(readFileSync(`${rig.directory}/exchange/env`, 'utf8')).toBe('left\n');
  });

  test.runIf(isRoot)('a limit on processes that holds, because its user is its own', async () => {
    const fork =
      'for (1..60) { my $child = fork; $refused++ if !defined $child; sleep 600 if defined $child && !$child }';
    const { output } = await rig.run(`prlimit --nproc=20 perl -e '${fork} print $refused'`);
    expect(Number(output)).toBeGreaterThan(38);
  });

  test.for([
    ['awk', "awk 'BEGIN { print 6 * 7 }'", '42\n'],
    [
      'git',
      'git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --format=%s',
      'x\n',
    ],
    [
      'cc',
      'printf "int puts(const char *); int main(void) { puts(\\"hi\\"); }" >a.c && cc a.c && ./a.out',
      'hi\n',
    ],
    [
      'python3',
      'python3 -c "import ssl; print(len(ssl.create_default_context().get_ca_certs()) > 50)"',
      'True\n',
    ],
    [
      'java',
      'java -XshowSettings:properties -version 2>&1 | grep -o "user.home = .*"',
      'user.home = /home/build\n',
    ],
    ['npm', 'npm config get cache', '/home/build/.npm\n'],
    ['perl', 'perl -MList::Util=sum -e "print sum(1..4), qq(\\n)"', '10\n'],
  ] as const)('a working %s, where the machine has one', async ([tool, script, expected], { skip }) => {
    const { code } = (await rig.run(`command -v ${tool}`)) as { code: number };
    skip(code !== 0, `${tool} is not installed here`);
    expect(await rig.run(script)).toMatchObject({ output: expected });
  });
});

test('a slot runs one sandbox at a time', async () => {
  const first = rig.run('sleep 0.2');
  await expect(rig.run('true')).rejects.toThrow('slot 0 already runs a sandbox');
  expect(await first).toMatchObject({ kind: 'exited', code: 0 });
});
