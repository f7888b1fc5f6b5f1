import { openBubblewrap, SandboxUnavailable } from './bubblewrap.ts';
import type { Sandbox, SandboxOptions } from './sandbox.ts';

/**
 * The sandbox that `REPRISE_SANDBOX` asks for. Throws `SandboxUnavailable` with a sentence for the operator: there is never a
 * fallback to less.
 */
export async function openSandbox(kind: string, options: SandboxOptions): Promise<Sandbox> {
  switch (kind) {
    case 'auto':
    case 'bubblewrap':
      return await openBubblewrap(options);
    case 'container':
    case 'host':
      throw new SandboxUnavailable(
        `REPRISE_SANDBOX=${kind} is not supported by this version: use bubblewrap.`,
      );
    default:
      throw new SandboxUnavailable(`REPRISE_SANDBOX=${kind} is not known: use auto or bubblewrap.`);
  }
}
