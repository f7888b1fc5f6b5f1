import { type Argon2Parameters, argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Refusal } from '../http/refusal.ts';

/** OWASP's Password Storage Cheat Sheet, argon2id: 19 MiB, two passes, one lane. About 45 ms on a 2020s server core. */
const COST = { memory: 19_456, passes: 2, parallelism: 1 } as const;
const SALT_BYTES = 16;
const TAG_BYTES = 32;

/** Hashes at once: 40 MB and two of the four threads that files and names are also read with. */
const MOST_AT_ONCE = 2;
/** Who waits longer than this many hashes (about six seconds) is better told so. */
const LONGEST_LINE = 256;
/** What somebody turned away is told to wait. */
const LINE_RETRY_SECONDS = 5;

/** Verified in the place of a user that does not exist or has no password, so that the time taken does not tell. */
const DUMMY = format(COST, randomBytes(SALT_BYTES), randomBytes(TAG_BYTES));

const derive = promisify(argon2);

/** A password as the database keeps it: argon2id in PHC string format, with a salt of its own. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  return format(COST, salt, await tagOf(password, salt, { ...COST, tagLength: TAG_BYTES }));
}

/** Whether `password` is the one that was hashed. `stored` null: no, after the same time. */
export async function verifyPassword(stored: string | null, password: string): Promise<boolean> {
  const { salt, tag, ...cost } = parse(stored ?? DUMMY);
  const given = await tagOf(password, salt, { ...cost, tagLength: tag.length });
  return timingSafeEqual(given, tag) && stored !== null;
}

/**
 * Lets two hashes be made at once and the others wait in line, so that a flood of sign-ins takes neither the memory nor all
 * threads from those who build. A line that is too long is refused 503.
 */
export class HashLine {
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** Does `work`, which hashes once, when its turn comes. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running < MOST_AT_ONCE) this.#running += 1;
    else await this.#turn();
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= LONGEST_LINE) {
      throw new Refusal(
        503,
        'unavailable',
        'Too many people are signing in at this moment. Try again in a few seconds.',
        { retryAfter: LINE_RETRY_SECONDS },
      );
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

type Cost = Pick<Argon2Parameters, 'memory' | 'passes' | 'parallelism'>;

/** One spelling of a password typed with composed and with combining characters (macOS, Linux). */
function tagOf(password: string, nonce: Buffer, o: Cost & { tagLength: number }): Promise<Buffer> {
  return derive('argon2id', { message: password.normalize('NFC'), nonce, ...o });
}

function format({ memory, passes, parallelism }: Cost, salt: Buffer, tag: Buffer): string {
  const text = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${text(salt)}$${text(tag)}`;
}

function parse(stored: string): Cost & { salt: Buffer; tag: Buffer } {
  const found = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/.exec(stored);
  if (!found) throw new Error('A stored password is not argon2id in PHC string format.');
  const [, memory, passes, parallelism, salt = '', tag = ''] = found;
  return {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  };
}
