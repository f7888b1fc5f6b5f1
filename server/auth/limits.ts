import { ipKeyGenerator } from 'express-rate-limit';
import type { Limit, Tries } from './tries.ts';

/** Failed tries within the window, after which the next is refused. */
const MOST = {
  /** One account from one address: a person who mistypes needs fewer. */
  pair: 10,
  /** One address over all accounts: an office behind one address, but not a list of names. */
  address: 30,
  /** One account from everywhere: more than a person, less than many machines would like. */
  account: 100,
} as const;

/** Whose try it is. `account` is the text that was typed, whether or not there is such a user. */
export interface Trying {
  account: string;
  address: string;
  /**
   * Whether this address is one that the account was signed in from. The limit over all addresses does not hold there, so that
   * strangers who use it up cannot keep a person out of an account from where they always work.
   */
  isKnownPlace(): Promise<boolean>;
}

/** Limits failed sign-ins, over all servers together. Refuses 429 whoever has no try left. */
export class SignInLimits {
  readonly #tries: Tries;

  constructor(tries: Tries) {
    this.#tries = tries;
  }

  async assertOpen(who: Trying): Promise<void> {
    await this.#tries.assertOpen(Object.values(limitsOf(who)));
  }

  /** Takes a try before it is known how it goes. */
  async take(who: Trying): Promise<void> {
    await this.#tries.take(Object.values(limitsOf(who)));
  }

  /** Gives the try back that went well, and with it those that this person mistyped here. */
  async succeeded(who: Trying): Promise<void> {
    const { pair, address, account } = limitsOf(who);
    await this.#tries.giveBack({ one: [address, account], all: [pair] });
  }
}

/** What counts as one address: an IPv6 customer holds a whole network, /56. */
export function networkOf(address: string): string {
  return ipKeyGenerator(address);
}

function limitsOf({ account, address, isKnownPlace }: Trying) {
  const network = networkOf(address);
  return {
    pair: { of: ['pair', account, network], most: MOST.pair },
    address: { of: ['address', network], most: MOST.address },
    account: { of: ['account', account], most: MOST.account, exempt: isKnownPlace },
  } satisfies Record<string, Limit>;
}
