import { ipKeyGenerator, MemoryStore } from 'express-rate-limit';
import { Refusal } from '../http/refusal.ts';

const WINDOW_MS = 15 * 60_000;

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

/** Counts failed sign-ins. Kept in memory: a restart forgives, and nothing grows beyond what two windows bring. */
export class SignInLimits {
  readonly #pairs = newStore();
  readonly #addresses = newStore();
  readonly #accounts = newStore();

  /** Refuses 429 whoever has no try left. */
  async assertOpen(who: Trying): Promise<void> {
    const { pair, address } = keysOf(who);
    await refuseAt(this.#pairs, pair, MOST.pair);
    await refuseAt(this.#addresses, address, MOST.address);
    const account = await this.#accounts.get(who.account);
    if ((account?.totalHits ?? 0) >= MOST.account && !(await who.isKnownPlace())) throw tooMany(account);
  }

  /** Takes a try before it is known how it goes, so that tries made at once are counted too; refused like `assertOpen`. */
  async take(who: Trying): Promise<void> {
    const { pair, address } = keysOf(who);
    const [ofPair, ofAddress, ofAccount] = await Promise.all([
      this.#pairs.increment(pair),
      this.#addresses.increment(address),
      this.#accounts.increment(who.account),
    ]);
    if (ofPair.totalHits > MOST.pair) throw tooMany(ofPair);
    if (ofAddress.totalHits > MOST.address) throw tooMany(ofAddress);
    if (ofAccount.totalHits > MOST.account && !(await who.isKnownPlace())) throw tooMany(ofAccount);
  }

  /** Gives the try back that went well, and with it those that this person mistyped here. */
  async succeeded(who: Trying): Promise<void> {
    const { pair, address } = keysOf(who);
    await Promise.all([
      this.#pairs.resetKey(pair),
      this.#addresses.decrement(address),
      this.#accounts.decrement(who.account),
    ]);
  }
}

function newStore(): MemoryStore {
  const store = new MemoryStore();
  store.init({ windowMs: WINDOW_MS } as Parameters<MemoryStore['init']>[0]);
  return store;
}

/** An IPv6 customer holds a whole network: /56 counts as one address. */
function keysOf({ account, address }: Trying): { pair: string; address: string } {
  const network = ipKeyGenerator(address);
  return { pair: JSON.stringify([account, network]), address: network };
}

async function refuseAt(store: MemoryStore, key: string, most: number): Promise<void> {
  const held = await store.get(key);
  if ((held?.totalHits ?? 0) >= most) throw tooMany(held);
}

function tooMany(held: Awaited<ReturnType<MemoryStore['get']>>): Refusal {
  const waitMs = (held?.resetTime?.getTime() ?? Date.now() + WINDOW_MS) - Date.now();
  const retryAfter = Math.max(1, Math.ceil(waitMs / 1000));
  const minutes = Math.ceil(retryAfter / 60);
  return new Refusal(
    429,
    'rate-limited',
    `Too many failed tries. Wait ${minutes === 1 ? 'a minute' : `${minutes} minutes`} and try again.`,
    { retryAfter },
  );
}
