import { z } from 'zod';
import { type DeployResult, deployment, deployResult, type HostRecord, hostRecord } from './deployment.ts';

/**
 * What the process that deploys (`main.ts`) and whoever started it say to each other: JSON, one value a line, UTF-8.
 *
 * To it: `assignment` once, as the first line; `recorded` for each `record`, once it is durable; `cancel` at any time. The end of its
 * input ends it at once, without undoing anything: hosts stay as the records say, locks included.
 *
 * From it: `log` with bytes in base64, secrets masked, in order; `record`, after which it does nothing on that host until it is
 * answered; `result` or `fault` as the last line. It exits with 0 after a result, whatever it says, and with 1 after a fault.
 */
export const toDeployer = z.discriminatedUnion('type', [
  z.object({ type: z.literal('assignment'), deployment }),
  z.object({ type: z.literal('recorded'), number: z.int() }),
  z.object({ type: z.literal('cancel') }),
]);

export type ToDeployer = z.infer<typeof toDeployer>;

export const fromDeployer = z.discriminatedUnion('type', [
  z.object({ type: z.literal('log'), bytes: z.string() }),
  z.object({ type: z.literal('record'), number: z.int(), entry: hostRecord }),
  z.object({ type: z.literal('result'), result: deployResult }),
  /** Something of ours is broken; what became of the hosts is in the records and on them. */
  z.object({ type: z.literal('fault'), message: z.string() }),
]);

/** One value as the line that carries it. U+2028 and U+2029, which end lines for Node's readline and not for JSON, are escaped. */
export function asLine(value: ToDeployer | FromDeployer): string {
  const json = JSON.stringify(value).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
  return `${json}\n`;
}

export type FromDeployer =
  | { type: 'log'; bytes: string }
  | { type: 'record'; number: number; entry: HostRecord }
  | { type: 'result'; result: DeployResult }
  | { type: 'fault'; message: string };
