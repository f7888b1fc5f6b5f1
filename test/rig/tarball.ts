import { gzipSync } from 'node:zlib';

/** An entry made by hand, so that it can say what no tar would write. Strings may hold anything, NUL included. */
export interface RawEntry {
  path: string | Buffer;
  /** The type flag: `0` file (the default), `5` directory, `2` symbolic link, `1` hard link, `3` `4` devices, `6` pipe, … */
  type?: string;
  content?: string | Buffer;
  /** Claimed instead of the content's own size. */
  size?: number;
  mode?: number;
  link?: string;
  uid?: number;
  mtime?: number;
  /** Damages the header's checksum. */
  badChecksum?: boolean;
  /** Records of a pax header put before the entry. */
  pax?: Record<string, string>;
}

/** The bytes of a gzipped tar archive of these entries, in this order. */
export function tarball(entries: readonly RawEntry[], tail: Buffer = Buffer.alloc(1024)): Buffer {
  return gzipSync(Buffer.concat([...entries.map(rawEntry), tail]));
}

/** A top folder's entry, with which every artifact begins. */
export const TOP: RawEntry = { path: 'app-1/', type: '5', mode: 0o755 };

function rawEntry(entry: RawEntry): Buffer {
  const content = Buffer.from(entry.content ?? '');
  const pax = entry.pax
    ? rawEntry({ path: 'pax', type: 'x', content: paxRecords(entry.pax) })
    : Buffer.alloc(0);
  const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
  content.copy(body);
  return Buffer.concat([pax, rawHeader(entry, entry.size ?? content.length), body]);
}

function rawHeader(entry: RawEntry, size: number): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at);
  Buffer.from(entry.path).copy(block, 0, 0, 100);
  octal(entry.mode ?? 0o644, 100, 8);
  octal(entry.uid ?? 0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(entry.mtime ?? 1_767_225_600, 136, 12);
  block.write(entry.type ?? '0', 156);
  block.write(entry.link ?? '', 157, 100);
  block.write('ustar\x0000', 257);
  block.write('        ', 148);
  const sum = block.reduce((total, byte) => total + byte, entry.badChecksum ? 1 : 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function paxRecords(records: Record<string, string>): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = Buffer.byteLength(rest);
    while (String(length).length + Buffer.byteLength(rest) !== length)
      length = String(length).length + Buffer.byteLength(rest);
    return `${length}${rest}`;
  });
  return Buffer.from(lines.join(''));
}
