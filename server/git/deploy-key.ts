import { generateKeyPairSync, randomBytes } from 'node:crypto';

export interface DeployKey {
  /** OpenSSH's own format, as `ssh-keygen -t ed25519` writes it, without a passphrase. */
  privateKey: string;
  /** One line: type, key, comment. */
  publicKey: string;
}

/** A new ed25519 key pair for one project, made in memory. `comment` is what the forge shows beside the public half. */
export function makeDeployKey(comment: string): DeployKey {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const seed = Buffer.from(jwk.d ?? '', 'base64url');
  const point = Buffer.from(jwk.x ?? '', 'base64url');
  const publicBlob = fields('ssh-ed25519', point);
  return {
    privateKey: armour(privateFile(publicBlob, { seed, point, comment })),
    publicKey: `ssh-ed25519 ${publicBlob.toString('base64')} ${comment}`,
  };
}

/** The layout of OpenSSH's PROTOCOL.key, unencrypted: two equal check numbers, the key, padding 1 2 3 … to eight bytes. */
function privateFile(publicBlob: Buffer, key: { seed: Buffer; point: Buffer; comment: string }): Buffer {
  const check = randomBytes(4);
  const secret = fields('ssh-ed25519', key.point, Buffer.concat([key.seed, key.point]), key.comment);
  const unpadded = Buffer.concat([check, check, secret]);
  const padding = Buffer.from(Array.from({ length: (8 - (unpadded.length % 8)) % 8 }, (_, i) => i + 1));
  return Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    fields('none', 'none', ''),
    Buffer.from([0, 0, 0, 1]),
    fields(publicBlob, Buffer.concat([unpadded, padding])),
  ]);
}

/** Each field as its length (four bytes, big-endian) and its bytes. */
function fields(...values: (string | Buffer)[]): Buffer {
  return Buffer.concat(
    values.flatMap((value) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(value));
      return [length, Buffer.from(value)];
    }),
  );
}

function armour(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,70}/g) ?? [];
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`;
}
