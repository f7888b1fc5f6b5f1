import { readdir, readFile } from 'node:fs/promises';

/** The variable by which the processes of one git command, its helpers and its ssh included, are known. */
const MARK = 'REPRISE_GIT_COMMAND';

export function markOf(id: string): Record<string, string> {
  return { [MARK]: id };
}

/**
 * Ends every process that carries the mark. Git, when interrupted, leaves its helpers (`git-remote-https`, `ssh`) to
 * themselves, and one that waits for a silent upstream would wait on. Where there is no `/proc`, nothing is done.
 */
export async function endMarked(id: string): Promise<void> {
  const wanted = Buffer.from(`${MARK}=${id}\0`);
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  await Promise.all(
    pids.map(async (pid) => {
      const environ = await readFile(`/proc/${pid}/environ`).catch(() => null);
      if (!environ?.includes(wanted)) return;
      try {
        process.kill(Number(pid), 'SIGTERM');
      } catch {
        // It ended by itself meanwhile.
      }
    }),
  );
}
