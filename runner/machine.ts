import type { RunnerConfig } from './config.ts';
import { type DataDir, DataDirInUse, openDataDir } from './data-dir.ts';
import type { Toolchain } from './protocol.ts';
import { SandboxUnavailable } from './sandbox/bubblewrap.ts';
import { openSandbox } from './sandbox/open-sandbox.ts';
import type { Sandbox, Slot } from './sandbox/sandbox.ts';
import { readToolchain } from './toolchain.ts';

/** Why a runner does not start, or ends: a sentence for the operator, and no fault of the program. */
export class CannotRun extends Error {}

/** What a runner has on its machine, ready for jobs. */
export interface Machine {
  dataDir: DataDir;
  sandbox: Sandbox;
  slots: Slot[];
  toolchain: Toolchain;
  close(): Promise<void>;
}

/** Takes the data directory, proves that the sandbox holds, and opens a place per job. Throws `CannotRun`. */
export async function openMachine(config: RunnerConfig): Promise<Machine> {
  const dataDir = await openDataDir(config.dataDir).catch(inWords);
  let sandbox: Sandbox | null = null;
  const close = async () => {
    await sandbox?.close();
    await dataDir.release();
  };
  try {
    const roots = [config.dataDir, ...config.stepMounts];
    sandbox = await openSandbox(config.sandbox, { roots, stateDir: dataDir.sandbox });
    const probe = await sandbox.probe();
    if (!probe.ok) throw new CannotRun(`The sandbox does not hold, so no job is taken: ${probe.why}`);
    const slots = await openSlots(sandbox, config.capacity);
    const toolchain = await toolchainOf(config, { sandbox, slots, scratch: dataDir.attempts });
    return { dataDir, sandbox, slots, toolchain, close };
  } catch (error) {
    await close();
    return inWords(error);
  }
}

function openSlots(sandbox: Sandbox, capacity: number): Promise<Slot[]> {
  return Promise.all(Array.from({ length: capacity }, (_, number) => sandbox.openSlot(number)));
}

async function toolchainOf(
  config: RunnerConfig,
  { sandbox, slots, scratch }: { sandbox: Sandbox; slots: Slot[]; scratch: string },
): Promise<Toolchain> {
  const [slot] = slots;
  if (!slot) throw new CannotRun('A runner needs room for one job at least.');
  const mounts = config.stepMounts.map((path) => ({ source: path, target: path }));
  return readToolchain({ sandbox, slot, scratch, mounts, path: config.stepPath });
}

function inWords(error: unknown): never {
  if (error instanceof DataDirInUse || error instanceof SandboxUnavailable)
    throw new CannotRun(error.message, { cause: error });
  throw error;
}
