import { closeSync, readdirSync, readFileSync } from 'node:fs';

/**
 * Closes what this process was given open by whoever started it, beyond 0, 1 and 2. Bubblewrap hands such descriptors on,
 * so a file that a shell held open would be open in every step. Node marks its own close-on-exec; what is not marked
 * cannot be its own.
 */
export function closeInheritedDescriptors(): void {
  for (const fd of readdirSync('/proc/self/fd').map(Number)) {
    if (fd > 2 && isInherited(fd)) closeSync(fd);
  }
}

const O_CLOEXEC = 0o2000000;

function isInherited(fd: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? '';
    return (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
  } catch {
    return false;
  }
}
