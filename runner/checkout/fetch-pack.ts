import type { Client } from '../client.ts';
import { paths } from '../wire.ts';
import { type GitWorld, git } from './git.ts';
import { DELIMITER, FLUSH, packet, packOf } from './packets.ts';

export interface PackWanted {
  project: string;
  gitToken: string;
  /** Names of the objects to bring, with all that they lead to. */
  wants: readonly string[];
  /** Commits that the mirror has whole. Those that the server does not know do no harm. */
  haves: readonly string[];
}

/** Packs of fewer objects are unpacked: many tiny packs would make every lookup slow. As git's own `fetch.unpackLimit`. */
const UNPACK_LIMIT = 100;

const IDLE_MS = 60_000;

/**
 * Brings objects in one request and with one process. `git fetch` does the same with three requests and five processes,
 * which for a small commit is most of a job's time: it asks what there is, negotiates and looks at everything again, while
 * here both sides already know the commit by name, and the mirrors are each other's copies. Throws when it does not
 * work out, for whatever reason; `git fetch` is then the judge.
 */
export async function fetchPack(
  o: { client: Client; world: GitWorld; mirror: string; signal: AbortSignal },
  wanted: PackWanted,
): Promise<void> {
  const password = Buffer.from(`reprise:${wanted.gitToken}`).toString('base64');
  const ask = {
    method: 'POST',
    path: `${paths.git(wanted.project)}/git-upload-pack`,
    headers: {
      authorization: `Basic ${password}`,
      accept: 'application/x-git-upload-pack-result',
      'content-type': 'application/x-git-upload-pack-request',
      'git-protocol': 'version=2',
    },
    body: Buffer.from(request(wanted)),
    idleMs: IDLE_MS,
    signal: o.signal,
  } as const;
  await o.client.download(ask, (answer) => store(o, packOf(answer)));
}

function request({ wants, haves }: PackWanted): string {
  return [
    packet('command=fetch\n'),
    packet('object-format=sha1\n'),
    DELIMITER,
    ...['thin-pack', 'no-progress', 'ofs-delta'].map((option) => packet(`${option}\n`)),
    ...wants.map((object) => packet(`want ${object}\n`)),
    ...haves.map((object) => packet(`have ${object}\n`)),
    packet('done\n'),
    FLUSH,
  ].join('');
}

async function store(
  o: { world: GitWorld; mirror: string; signal: AbortSignal },
  pack: AsyncGenerator<Buffer>,
): Promise<void> {
  const first = await pack.next();
  const head = first.done ? Buffer.alloc(0) : first.value;
  if (head.length < 12 || head.toString('latin1', 0, 4) !== 'PACK')
    throw new Error('the answer holds no pack');
  const isSmall = head.readUInt32BE(8) < UNPACK_LIMIT;
  const args = isSmall ? ['unpack-objects', '-q'] : ['index-pack', '--stdin', '--fix-thin'];
  const whole = async function* () {
    yield head;
    yield* pack;
  };
  const { code, err } = await git(o.world, args, { directory: o.mirror, input: whole(), signal: o.signal });
  if (code !== 0) throw new Error(err.trim());
}
