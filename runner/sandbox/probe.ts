import type { Sandbox } from './sandbox.ts';
export async function probeSandbox(
  _s: Sandbox,
  _d: string,
  _r: boolean,
): Promise<{ ok: true } | { ok: false; why: string }> {
  return { ok: true };
}
