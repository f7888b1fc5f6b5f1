import { createHash } from 'node:crypto';
import type { Environment } from '@reprise/pipelines/model.ts';
import { canonicalJson } from '../audit/chain.ts';

/**
 * What an approval is given for: the artifact's digest, the environment and its whole configuration, as one sha256. When any of
 * them changes, it is another promotion and nobody has approved it.
 */
export function boundDigest(o: {
  sha256: string;
  environment: Environment;
  rollbackTo: object | null;
}): string {
  return createHash('sha256').update(canonicalJson(o)).digest('hex');
}
