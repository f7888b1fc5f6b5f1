import { Refusal } from '../http/refusal.ts';
import { isPublicRef, isSha } from './names.ts';

/** What a fetch is to bring at least. `all`: every branch and tag. */
export interface Wants {
  all: boolean;
  /** Full refs and full object names besides. */
  names: Set<string>;
}

/**
 * The wants behind a list of names. A short name may be a branch, a tag or the beginning of an object name, so that only
 * everything can bring it; so does an empty list. Refuses (422) a full ref that is not well-formed.
 */
export function readWants(names: readonly string[]): Wants {
  const full = names.filter((name) => isSha(name) || name.startsWith('refs/'));
  for (const name of full) {
    if (isSha(name) || isPublicRef(name)) continue;
    const sentence = `${JSON.stringify(name)} is not a ref that can be fetched.`;
    throw new Refusal(422, 'unknown-ref', sentence, { nearest: [] });
  }
  return { all: full.length === 0 || full.length < names.length, names: new Set(full) };
}
