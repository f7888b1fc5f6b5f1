import { packArtifact } from '@reprise/runner/artifact/pack.ts';

/** Packs `<argv 2>` into `<argv 3>` under the umask `<argv 4>` (octal), and prints what came of it as JSON. */
const [workspace = '', into = '', umask = '022'] = process.argv.slice(2);
process.umask(Number.parseInt(umask, 8));
const packing = await packArtifact({
  workspace,
  artifact: { name: 'shop', paths: ['.'], exclude: [] },
  version: '1.4.2',
  commitTime: 1_767_225_600,
  into,
  signal: new AbortController().signal,
});
process.stdout.write(JSON.stringify(packing.ok ? packing.packed : packing));
