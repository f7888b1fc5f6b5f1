import { ADMIN_TOKEN } from '../rig/reprise.ts';
import { tempDir } from '../rig/temp.ts';
import { atMost, type Benchmark } from './benchmark.ts';
import { Client } from './client.ts';
import { FLOOD, floodProject, startFlood } from './log-flood.ts';
import { alternate, pick } from './measure.ts';
import { shell, startPlainServer } from './program.ts';
import { startRig } from './reprise.ts';

const LINES_PER_PAGE = 200;

export const logRead: Benchmark = {
  name: 'log-read',
  what: 'a log of 200 MB is read back whole, and a page of lines at its end',
  plain: 'a bare Node server that sends a file of the same bytes',
  goal: { 'first byte': atMost(10) },
  async run(context) {
    await using rig = await startRig('up');
    using dir = tempDir();
    await shell(`${FLOOD.command} > ${dir.join('log')}`);
    await using bare = await startPlainServer('plain/file-server.ts', dir.join('log'));
    using ours = new Client(rig.address, { token: ADMIN_TOKEN });
    using theirs = new Client(bare.address);
    const flood = await startFlood(rig, await floodProject(rig));
    flood.release();
    await flood.ended();
    const log = `/api/projects/flood/builds/${flood.number}/jobs/job/log`;
    const { total } = await ours.json<{ total: number }>(`${log}/lines?from=1&count=1`);

    const read = await alternate(context, {
      async ours() {
        const page = await ours.ask(
          `${log}/lines?from=${total - LINES_PER_PAGE + 1}&count=${LINES_PER_PAGE}`,
        );
        return { ...(await readWhole(ours, log)), page: page.ms };
      },
      async plain() {
        return { ...(await readWhole(theirs, '/')), page: 0 };
      },
    });
    return [
      {
        name: 'first byte',
        unit: 'ms',
        ours: pick(read.ours, 'firstByte'),
        plain: pick(read.plain, 'firstByte'),
      },
      { name: 'rate', unit: 'MB/s', ours: pick(read.ours, 'rate'), plain: pick(read.plain, 'rate') },
      { name: 'the last 200 lines', unit: 'ms', ours: pick(read.ours, 'page'), plain: null },
    ];
  },
};

async function readWhole(client: Client, path: string): Promise<{ firstByte: number; rate: number }> {
  const { bytes, ms, firstByteMs } = await client.ask(path, { discard: true });
  if (bytes < FLOOD.bytes) throw new Error(`${path} gave ${bytes} bytes.`);
  return { firstByte: firstByteMs, rate: bytes / 1e6 / (ms / 1000) };
}
