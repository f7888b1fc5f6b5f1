import { chownSync, mkdirSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Network } from '@reprise/pipelines/model.ts';
import { advice } from './advice.ts';
import type { Sandbox, Slot } from './sandbox.ts';

/** A slot of its own, beyond those of the largest runner. */
const PROBE_SLOT = 256;
/** A sandbox takes some ten milliseconds; one that takes this long hangs. */
const LONGEST_MS = 10_000;

/**
 * Runs two real sandboxes, one with a network and one without, that look for what must not be there. Some 60 ms in all.
 * `why` is a sentence about what is wrong and, where it is known, what to do.
 */
export async function probeSandbox(
  sandbox: Sandbox,
  stateDir: string,
): Promise<{ ok: true } | { ok: false; why: string }> {
  let slot: Slot | null = null;
  try {
    slot = await sandbox.openSlot(PROBE_SLOT);
    for (const network of ['egress', 'none'] as const) {
      const wrong = await look(sandbox, slot, join(stateDir, 'probe'), network);
      if (wrong) return { ok: false, why: wrong };
    }
    return { ok: true };
  } catch (error) {
    return { ok: false, why: (error as Error).message };
  } finally {
    await slot?.close();
  }
}

async function look(
  sandbox: Sandbox,
  slot: Slot,
  directory: string,
  network: Network,
): Promise<string | null> {
  let output = '';
  const result = await sandbox.run({
    slot,
    ...attemptDirectories(directory, slot),
    readOnly: [],
    writable: [],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/home/build' },
    argv: ['/bin/sh', '-c', LOOK_AROUND, 'look-around', hostNamespaces()],
    cwd: '/workspace',
    network,
    onOutput: (chunk) => {
      output += chunk;
    },
    signal: AbortSignal.timeout(LONGEST_MS),
    killGraceMs: 0,
  });
  rmSync(directory, { recursive: true, force: true });
  if (result.kind === 'broken') return advice(result.why);
  if (result.kind !== 'exited' || result.code !== 0)
    return `a sandbox could not look around: ${JSON.stringify(result)} ${output.trim()}`;
  const expected = network === 'egress' ? 'link-local closed' : 'no network';
  const found = output.trim().split('\n');
  const wrong = found.filter((line) => line !== expected);
  if (!found.includes(expected)) wrong.push(`network ${network} is not what it says`);
  return wrong.length > 0 ? `steps would not be confined: ${wrong.join('; ')}.` : null;
}

function attemptDirectories(directory: string, { owner }: Slot) {
  const directories = {
    workspace: join(directory, 'workspace'),
    home: join(directory, 'home'),
    tmp: join(directory, 'tmp'),
  };
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { mode: 0o711 });
  for (const path of Object.values(directories)) {
    mkdirSync(path);
    if (owner) chownSync(path, owner.uid, owner.gid);
  }
  return directories;
}

const NAMESPACES = ['mnt', 'pid', 'ipc', 'uts', 'net', 'user'];

function hostNamespaces(): string {
  return NAMESPACES.map((kind) => readlinkSync(`/proc/self/ns/${kind}`)).join(' ');
}

/** Prints a line for everything that is wrong, and one about the network. It needs no more than a shell and coreutils. */
const LOOK_AROUND = `
[ "$(id -u) $(id -g) $(id -G)" = '1000 1000 1000' ] || echo "they are user $(id)"
for kind in ${NAMESPACES.join(' ')}; do
  case " $1 " in *" $(readlink /proc/self/ns/$kind) "*) echo "they share the host's $kind namespace" ;; esac
done
for path in /etc/shadow /etc/ssl/private /root /var /run /srv /boot /sys; do
  [ ! -e $path ] || echo "they see $path"
done
ls /proc/1/fd >/workspace/descriptors
[ "$(tr '\\n' ' ' </workspace/descriptors)" = '0 1 2 ' ] || echo "the runner's descriptors are open: $(cat /workspace/descriptors)"
for name in $(tr '\\0' '\\n' </proc/1/environ | cut -d= -f1); do
  case $name in PATH | HOME | PWD) ;; *) echo "the variable $name is visible" ;; esac
done
for path in / /usr /etc /dev; do
  (: >$path/probe) 2>/dev/null && echo "$path can be written"
done
for path in /workspace /home/build /tmp /dev/shm; do
  (: >$path/probe) 2>/dev/null || echo "$path cannot be written"
done
(: >/dev/stdout) 2>/dev/null || echo 'the output cannot be opened'
[ "$(cat /proc/sys/kernel/hostname)" = build ] || echo 'the name of the host is visible'
grep -q '^CapEff:.0*$' /proc/self/status || echo 'they have capabilities'
grep -q '^NoNewPrivs:.1$' /proc/self/status || echo 'they can gain privileges'
unshare --user true 2>/dev/null && echo 'user namespaces can be nested'
if [ "$(grep -c : /proc/net/dev)" = 1 ]; then echo 'no network'
elif grep -q '^[^[:space:]]*[[:space:]]0000FEA9[[:space:]]' /proc/net/route; then echo 'link-local closed'
fi
exit 0
`;
