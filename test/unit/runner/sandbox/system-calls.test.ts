import { systemCallFilter } from '@reprise/runner/sandbox/system-calls.ts';
import { expect, test } from 'vitest';

const [X64, I386, ARM64, ARM32] = [0xc000003e, 0x40000003, 0xc00000b7, 0x40000028];
const TIOCSTI = 0x5412;
const TCGETS = 0x5401;

test.for([
  ['x64', X64, { mount: 165, keyctl: 250, bpf: 321, io_uring_setup: 425, setns: 308 }, 'refused'],
  ['x64', X64, { read: 0, mmap: 9, clone: 56, ptrace: 101, personality: 135, io_getevents: 208 }, 'allowed'],
  ['x64', X64, { 'x32 mount': 0x40000000 + 165, 'x32 read': 0x40000000 }, 'unknown'],
  ['x64', I386, { mount: 21, keyctl: 288, settimeofday: 79 }, 'refused'],
  ['x64', I386, { read: 3, execve: 11 }, 'allowed'],
  ['x64', ARM64, { read: 63 }, 'unknown'],
  ['arm64', ARM64, { mount: 40, keyctl: 219, bpf: 280, io_uring_enter: 426 }, 'refused'],
  ['arm64', ARM64, { read: 63, clone: 220 }, 'allowed'],
  ['arm64', ARM32, { read: 3 }, 'unknown'],
] as const)('on %s, architecture %s: %o is %s', ([machine, architecture, calls, expected]) => {
  for (const number of Object.values(calls)) {
    expect(decide(machine, { architecture, number })).toBe(expected);
  }
});

test.for([
  ['x64', X64, 16],
  ['x64', I386, 54],
  ['arm64', ARM64, 29],
] as const)(
  'on %s, architecture %s, a terminal can be asked but not typed into',
  ([machine, architecture, ioctl]) => {
    expect(decide(machine, { architecture, number: ioctl, request: TCGETS })).toBe('allowed');
    expect(decide(machine, { architecture, number: ioctl, request: TIOCSTI })).toBe('refused');
  },
);

test('a machine whose numbers we do not know has no filter', () => {
  expect(systemCallFilter('riscv64')).toBeNull();
});

interface Call {
  architecture: number;
  number: number;
  request?: number;
}

/** Runs the program as the kernel does, for the few operations that it is made of. */
function decide(machine: string, { architecture, number, request = 0 }: Call): string | undefined {
  const program = systemCallFilter(machine) ?? Buffer.alloc(0);
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(architecture, 4);
  data.writeUInt32LE(request, 24);
  let accumulator = 0;
  for (let at = 0; at < program.length; at += 8) {
    const operand = program.readUInt32LE(at + 4);
    const skip = (holds: boolean) => 8 * program.readUInt8(at + (holds ? 2 : 3));
    switch (program.readUInt16LE(at)) {
      case 0x20:
        accumulator = data.readUInt32LE(operand);
        break;
      case 0x15:
        at += skip(accumulator === operand);
        break;
      case 0x35:
        at += skip(accumulator >= operand);
        break;
      case 0x06:
        return { 2147418112: 'allowed', 327681: 'refused', 327718: 'unknown' }[operand];
    }
  }
  return undefined;
}
