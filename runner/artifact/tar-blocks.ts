import { Header, Pax } from 'tar';

/** One entry's metadata; owner and group are always 0 and nameless. */
export interface TarEntry {
  /** With the top folder; without a trailing slash. */
  path: string;
  type: 'File' | 'Directory' | 'SymbolicLink';
  mode: number;
  size: number;
  /** Seconds since 1970; may be negative, or beyond the 33 bits that a plain header has. */
  mtime: number;
  linkpath?: string;
}

/** Two blocks of zeros end an archive. */
export const TAR_END = Buffer.alloc(1024);

export const BLOCK = 512;

/**
 * The header block of an entry, with a pax header before it only where a plain one cannot say everything (a name that is
 * long or not ASCII, a size above 8 GiB, a time before 1970 or after 2242). Depends on nothing but its argument.
 */
export function tarHeader(entry: TarEntry): Buffer {
  const path = entry.type === 'Directory' ? `${entry.path}/` : entry.path;
  const mtime = new Date(entry.mtime * 1000);
  const header = new Header({ ...entry, path, mtime, uid: 0, gid: 0, uname: '', gname: '' });
  const needsPax = header.encode();
  const block = header.block;
  if (!block) throw new Error(`No tar header could be made for "${entry.path}".`);
  if (!needsPax) return block;
  const { linkpath, size } = entry;
  return Buffer.concat([new Pax({ path, linkpath, size, mtime }).encode(), block]);
}

/** Bytes of zeros that follow `size` bytes of content. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}
