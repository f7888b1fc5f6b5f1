import { cpSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packArtifact } from '@reprise/runner/artifact/pack.ts';
import { tempDir } from '../rig/temp.ts';
import { type Benchmark, ratioAtMost } from './benchmark.ts';
import { alternate, pick } from './measure.ts';
import { shell } from './program.ts';

const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));
const BYTES = 100e6;
const SOURCES = /\.(js|cjs|mjs|ts|cts|mts|json|md|map|css)$/;

export const packing: Benchmark = {
  name: 'packing',
  what: '100 MB of sources (of the installed packages) are packed, digested and listed as an artifact',
  plain: 'GNU tar | gzip -6',
  goal: { packed: ratioAtMost(1.1) },
  async run(context) {
    using dir = tempDir();
    context.say('collects sources');
    const bytes = collectSources(dir.join('workspace', 'sources'));
    const seconds = await alternate(context, {
      async ours(round) {
        const into = dir.join(`packed-${round}`);
        const start = performance.now();
        const packing = await packArtifact({
          workspace: dir.join('workspace'),
          artifact: { name: 'sources', paths: ['sources'], exclude: [] },
          version: '1.0.0',
          commitTime: 1_780_000_000,
          into,
          signal: AbortSignal.timeout(120_000),
        });
        if (!packing.ok) throw new Error(packing.why);
        const s = (performance.now() - start) / 1000;
        await shell(`rm -r ${into}`);
        return { s, rate: bytes / 1e6 / s };
      },
      async plain(round) {
        const file = dir.join(`plain-${round}.tar.gz`);
        const start = performance.now();
        await shell(`tar -C ${dir.join('workspace')} --sort=name -cf - sources | gzip -n -6 > ${file}`);
        const s = (performance.now() - start) / 1000;
        await shell(`rm ${file}`);
        return { s, rate: bytes / 1e6 / s };
      },
    });
    return [
      { name: 'packed', unit: 's', ours: pick(seconds.ours, 's'), plain: pick(seconds.plain, 's') },
      { name: 'rate', unit: 'MB/s', ours: pick(seconds.ours, 'rate'), plain: pick(seconds.plain, 'rate') },
    ];
  },
};

/** Copies source files of the installed packages until there are 100 MB; how many bytes there are. */
function collectSources(into: string): number {
  let bytes = 0;
  const files = readdirSync(MODULES, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && SOURCES.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  for (const file of files) {
    if (bytes >= BYTES) break;
    const copy = join(into, relative(MODULES, file));
    mkdirSync(dirname(copy), { recursive: true });
    cpSync(file, copy);
    bytes += statSync(copy).size;
  }
  return bytes;
}
