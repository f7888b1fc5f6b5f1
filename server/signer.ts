import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { Vault } from './vault.ts';

/** What a signature looks like from outside. */
export interface Signed {
  /** ed25519 over the UTF-8 bytes of the text, base64. */
  signature: string;
  /** Which public key checks it: sha256 of its SPKI form (DER), lower-case hex. */
  keyId: string;
}

/** What stands before the 32 bytes of an ed25519 private key in PKCS #8 (RFC 8410, section 7). */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * Signs with an ed25519 key that is derived from the secret key, so that it is nowhere in the database or on disk, is backed up
 * with `secret.key`, and is the same after every start.
 */
export class Signer {
  readonly #key: KeyObject;
  readonly keyId: string;
  /** SPKI, PEM: what anybody may have. */
  readonly publicKey: string;

  constructor(vault: Pick<Vault, 'mac'>) {
    const seed = Buffer.from(vault.mac('ed25519', 'signing-key'), 'base64url');
    this.#key = createPrivateKey({
      key: Buffer.concat([PKCS8_ED25519, seed]),
      format: 'der',
      type: 'pkcs8',
    });
    const half = createPublicKey(this.#key);
    this.publicKey = half.export({ format: 'pem', type: 'spki' }).toString();
    this.keyId = idOf(half);
  }

  sign(text: string): Signed {
    return { signature: sign(null, Buffer.from(text), this.#key).toString('base64'), keyId: this.keyId };
  }
}

/** Whether a text was signed with the private half of this key (SPKI, PEM). Throws where `publicKey` is no key. */
export function isSignedBy(publicKey: string, text: string, { signature, keyId }: Signed): boolean {
  const key = createPublicKey(publicKey);
  return idOf(key) === keyId && verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64'));
}

function idOf(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ format: 'der', type: 'spki' }))
    .digest('hex');
}
