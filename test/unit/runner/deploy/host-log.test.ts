import { stateCommand } from '@reprise/runner/deploy/haproxy.ts';
import { HostLog } from '@reprise/runner/deploy/host-log.ts';
import { expect, test } from 'vitest';

test('each line of a command begins with its host, however its bytes arrive', () => {
  const text = 'one\ntwo é\n\nthree';
  for (let cut = 0; cut <= Buffer.byteLength(text); cut += 1) {
    const written: Uint8Array[] = [];
    const log = new HostLog('web1', (bytes) => void written.push(bytes));
    const bytes = Buffer.from(text);
    void log.output(bytes.subarray(0, cut));
    void log.output(bytes.subarray(cut));
    log.say('Done.');
    expect(Buffer.concat(written).toString()).toBe(
      'web1 | one\nweb1 | two é\nweb1 | \nweb1 | three\nweb1  Done.\n',
    );
  }
});

test('a line without an end is cut, and no byte is lost', () => {
  const written: Uint8Array[] = [];
  const log = new HostLog('web1', (bytes) => void written.push(bytes));
  for (let piece = 0; piece < 100; piece += 1) void log.output(Buffer.alloc(1000, 97));
  log.flush();
  const lines = Buffer.concat(written).toString().split('\n').slice(0, -1);
  expect(Math.max(...lines.map((line) => line.length))).toBe('web1 | '.length + 16_384);
  expect(lines.map((line) => line.slice('web1 | '.length)).join('')).toBe('a'.repeat(100_000));
});

test.each(['b; quit', 'b\nshutdown', 'b/s', ''])('HAProxy is not told %j', (name) => {
  expect(() => stateCommand({ socket: '/s', backend: name, server: 'x' }, 'drain')).toThrow('no name');
  expect(() => stateCommand({ socket: '/s', backend: 'x', server: name }, 'drain')).toThrow('no name');
});

test('HAProxy is told in one line', () => {
  const at = { socket: '/s', backend: 'shop', server: 'web1' };
  expect(stateCommand(at, 'drain')).toBe('set server shop/web1 state drain');
});
