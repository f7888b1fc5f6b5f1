/**
 * A seccomp program that refuses system calls which no build needs and which have been ways out, or which reach what
 * namespaces do not part: the kernel's keyrings (a runner's session keyring is inherited by all its children), its
 * programs, its modules, its clock. Namespaces and missing capabilities forbid most of these too; this is the second wall.
 *
 * The bytes are a classic BPF program as bubblewrap's `--seccomp` takes it. `null` for a machine whose numbers we do not have.
 */
export function systemCallFilter(machine: string): Buffer | null {
  const native = MACHINES[machine];
  if (!native) return null;
  const tables = machine === 'x64' ? [native, I386] : [native];
  return Buffer.concat([
    load(OFFSET.architecture),
    ...tables.map((table) => {
      const body = tableProgram(table);
      return Buffer.concat([ifNotEqualSkip(table.architecture, body.length / INSTRUCTION_BYTES), body]);
    }),
    // 32-bit programs of other kinds: as if the kernel could not run their calls.
    giveBack(ERRNO + 38),
  ]);
}

interface Table {
  /** AUDIT_ARCH_… of linux/audit.h. */
  architecture: number;
  ioctl: number;
  /** Numbers from here on belong to the x32 variant, in which every call could be made under another number. */
  variantFrom?: number;
  refused: Record<string, number>;
}

/** The same number on every machine, being newer than their common numbering. */
const NEWER = {
  io_uring_setup: 425,
  io_uring_enter: 426,
  io_uring_register: 427,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  fspick: 433,
  mount_setattr: 442,
  quotactl_fd: 443,
};

const X64: Table = {
  architecture: 0xc000003e,
  ioctl: 16,
  variantFrom: 0x40000000,
  refused: {
    ...{ add_key: 248, request_key: 249, keyctl: 250 },
    ...{ bpf: 321, perf_event_open: 298, userfaultfd: 323, open_by_handle_at: 304, setns: 308 },
    ...{ mount: 165, umount2: 166, pivot_root: 155, swapon: 167, swapoff: 168, quotactl: 179, acct: 163 },
    ...{ init_module: 175, finit_module: 313, delete_module: 176, kexec_load: 246, kexec_file_load: 320 },
    ...{ reboot: 169, syslog: 103, vhangup: 153, clock_settime: 227, settimeofday: 164 },
    ...NEWER,
  },
};

const ARM64: Table = {
  architecture: 0xc00000b7,
  ioctl: 29,
  refused: {
    ...{ add_key: 217, request_key: 218, keyctl: 219 },
    ...{ bpf: 280, perf_event_open: 241, userfaultfd: 282, open_by_handle_at: 265, setns: 268 },
    ...{ mount: 40, umount2: 39, pivot_root: 41, swapon: 224, swapoff: 225, quotactl: 60, acct: 89 },
    ...{ init_module: 105, finit_module: 273, delete_module: 106, kexec_load: 104, kexec_file_load: 294 },
    ...{ reboot: 142, syslog: 116, vhangup: 58, clock_settime: 112, settimeofday: 170 },
    ...NEWER,
  },
};

/** A 64-bit Intel kernel runs these too, by another gate. */
const I386: Table = {
  architecture: 0x40000003,
  ioctl: 54,
  refused: {
    ...{ add_key: 286, request_key: 287, keyctl: 288 },
    ...{ bpf: 357, perf_event_open: 336, userfaultfd: 374, open_by_handle_at: 342, setns: 346 },
    ...{
      mount: 21,
      umount: 22,
      umount2: 52,
      pivot_root: 217,
      swapon: 87,
      swapoff: 115,
      quotactl: 131,
      acct: 51,
    },
    ...{ init_module: 128, finit_module: 350, delete_module: 129, kexec_load: 283 },
    ...{
      reboot: 88,
      syslog: 103,
      vhangup: 111,
      clock_settime: 264,
      clock_settime64: 404,
      settimeofday: 79,
      stime: 25,
    },
    ...NEWER,
  },
};

const MACHINES: Record<string, Table | undefined> = { x64: X64, arm64: ARM64 };

/** What types into a terminal as if it were the keyboard. */
const TERMINAL_INPUT = { TIOCSTI: 0x5412, TIOCLINUX: 0x541c };

function tableProgram(table: Table): Buffer {
  const refuse = giveBack(ERRNO + 1);
  const allow = giveBack(ALLOW);
  return Buffer.concat([
    load(OFFSET.number),
    ...(table.variantFrom === undefined ? [] : [ifBelowSkip(table.variantFrom, 1), giveBack(ERRNO + 38)]),
    ...Object.values(table.refused).flatMap((number) => [ifNotEqualSkip(number, 1), refuse]),
    ifNotEqualSkip(table.ioctl, 5),
    load(OFFSET.secondArgument),
    ...Object.values(TERMINAL_INPUT).flatMap((request) => [ifNotEqualSkip(request, 1), refuse]),
    allow,
  ]);
}

/** Into `struct seccomp_data`; both machines are little-endian. */
const OFFSET = { number: 0, architecture: 4, secondArgument: 24 };
const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
const INSTRUCTION_BYTES = 8;

const load = (offset: number) => instruction(0x20, 0, 0, offset);
const giveBack = (value: number) => instruction(0x06, 0, 0, value);
const ifNotEqualSkip = (value: number, skip: number) => instruction(0x15, 0, skip, value);
const ifBelowSkip = (value: number, skip: number) => instruction(0x35, 0, skip, value);

/** `struct sock_filter`: operation, how far to jump if true and if false, operand. */
function instruction(code: number, ifTrue: number, ifFalse: number, operand: number): Buffer {
  const bytes = Buffer.alloc(INSTRUCTION_BYTES);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(ifTrue, 2);
  bytes.writeUInt8(ifFalse, 3);
  bytes.writeUInt32LE(operand, 4);
  return bytes;
}
