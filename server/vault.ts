import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** Names the algorithm and layout, so that another one can follow without guessing. */
const VERSION = 'v1';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What each kind of secret is sealed for: a sealed text moved to another row or column does not open. */
export const purposes = {
  webhookSecret: (projectId: string): string => `project/${projectId}/webhook-secret`,
  credential: (projectId: string): string => `project/${projectId}/credential`,
  secret: (o: { projectId: string; environment: string | null; name: string }): string =>
    `project/${o.projectId}/environment/${o.environment ?? ''}/secret/${o.name}`,
} as const;

/**
 * Seals small secrets for the database with AES-256-GCM. The key is `REPRISE_SECRET_KEY` or `<dataDir>/secret.key`, never in
 * the database, so that neither the database nor its backup gives a secret away.
 */
export class Vault {
  readonly #key: Buffer;

  private constructor(key: Buffer) {
    this.#key = key;
  }

  /**
   * `given` (64 hexadecimal digits or base64 of 32 bytes) wins over the file; without both, a key file of mode 0400 is
   * made. Throws a sentence where a key is given or held that is not one.
   */
  static open(dataDir: string, given: { reveal(): string } | null): Vault {
    if (given) return new Vault(parseKey(given.reveal(), 'REPRISE_SECRET_KEY'));
    const file = join(dataDir, 'secret.key');
    mkdirSync(dataDir, { recursive: true });
    const held = readKey(file) ?? makeKey(file);
    return new Vault(parseKey(held, file));
  }

  /** `plain` sealed for `purpose`: `v1.` and base64url of nonce, tag and ciphertext. Never the same text twice. */
  seal(plain: string, purpose: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(Buffer.from(purpose));
    const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return `${VERSION}.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`;
  }

  /** What only this server can make of `text` for `purpose`: HMAC-SHA256 under a key of its own (HKDF), base64url. */
  mac(text: string, purpose: string): string {
    const key = Buffer.from(hkdfSync('sha256', this.#key, '', `mac/${purpose}`, 32));
    return createHmac('sha256', key).update(text).digest('base64url');
  }

  /** The text sealed for the same `purpose`. Throws a sentence where the key is another one or the text was changed. */
  open(sealed: string, purpose: string): string {
    const [version, text] = sealed.split('.', 2);
    if (version !== VERSION || text === undefined)
      throw new Error(
        `The secret for ${purpose} was sealed by a newer Reprise (${String(version).slice(0, 8)}).`,
      );
    const bytes = Buffer.from(text, 'base64url');
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(purpose));
      decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      return (
        decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
      );
    } catch (cause) {
      throw new Error(
        `The secret for ${purpose} does not open: the secret key is not the one it was sealed with. ` +
          'Put back the secret.key of this data directory (or the REPRISE_SECRET_KEY used before), or set the secret anew.',
        { cause },
      );
    }
  }
}

function readKey(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Error(`The secret key ${file} cannot be read.`, { cause: error });
  }
}

/** Whole or not at all, also when two servers start at once: the first link wins, and both read the winner's. */
function makeKey(file: string): string {
  const fresh = `${file}.${randomBytes(6).toString('hex')}`;
  const out = openSync(fresh, 'wx', 0o400);
  try {
    writeSync(out, `${randomBytes(32).toString('hex')}\n`);
    fsyncSync(out);
  } finally {
    closeSync(out);
  }
  try {
    linkSync(fresh, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(fresh);
  }
  return readFileSync(file, 'utf8');
}

function parseKey(text: string, source: string): Buffer {
  const trimmed = text.trim();
  const key = /^[0-9a-f]{64}$/i.test(trimmed) ? Buffer.from(trimmed, 'hex') : Buffer.from(trimmed, 'base64');
  if (key.length === 32) return key;
  throw new Error(`${source} is not a key: 64 hexadecimal digits or the base64 of 32 bytes are needed.`);
}
