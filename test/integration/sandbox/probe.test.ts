import { writeFileSync } from 'node:fs';
import { openSandbox } from '@reprise/runner/sandbox/open-sandbox.ts';
import { afterAll, describe, expect, test } from 'vitest';
import { tempDir } from '../../rig/temp.ts';
import { outputOf, startSmallRunner } from './outside.ts';
import { isRoot, sandboxRig } from './rig.ts';

const rig = await sandboxRig();
afterAll(() => rig[Symbol.asyncDispose]());

test('a machine that can confine steps passes, and names its sandbox', async () => {
  expect(await rig.sandbox.probe()).toEqual({ ok: true });
  expect(rig.sandbox.describe()).toMatch(/^bubblewrap \d+\.\d+/);
});

test.for([
  ['container', 'is not supported by this version'],
  ['host', 'is not supported by this version'],
  ['chroot', 'is not known'],
])('REPRISE_SANDBOX=%s is refused', async ([kind = '', why = '']) => {
  const options = { roots: [rig.directory], stateDir: `${rig.directory}/other` };
  await expect(openSandbox(kind, options)).rejects.toThrow(why);
});

describe.runIf(isRoot)('without a part of it the sandbox is refused', () => {
  /** What the small runner says when, for it alone, a program of this machine is another. */
  const saysWith = async (program: string, replacement: string) => {
    using dir = tempDir();
    const file = dir.join('replacement');
    writeFileSync(file, replacement, { mode: replacement === '' ? 0o644 : 0o755 });
    const through = [
      'unshare',
      '--mount',
      'sh',
      '-ec',
      'mount --bind "$0" "$1"; shift; exec "$@"',
      file,
      program,
    ];
    return await outputOf(startSmallRunner([dir.join('data'), 'echo ran'], through));
  };

  test.for([
    ['/usr/bin/bwrap', 'bubblewrap'],
    ['/usr/bin/slirp4netns', 'slirp4netns'],
  ])('%s missing', async ([program = '', debianPackage]) => {
    expect(await saysWith(program, '')).toContain(`apt-get install ${debianPackage}`);
  });

  test('bubblewrap too old', async () => {
    expect(await saysWith('/usr/bin/bwrap', '#!/bin/sh\necho bubblewrap 0.4.1\n')).toContain(
      '0.4.1 is too old',
    );
  });

  test('bubblewrap that confines nothing', async () => {
    const said = await saysWith(
      '/usr/bin/bwrap',
      [
        '#!/bin/sh',
        '[ "$1" != --version ] || exec echo bubblewrap 0.8.0',
        'while [ "$1" != -- ]; do shift; done',
        'shift',
        'PATH=/usr/bin:/bin exec "$@"',
      ].join('\n'),
    );
    expect(said).toMatch(/^steps would not be confined: they are user uid=\d{5,}/);
    for (const found of ["the host's pid namespace", '/etc/shadow', '/root', 'the name of the host']) {
      expect(said).toContain(found);
    }
  });

  test('slirp4netns that ends at once', async () => {
    expect(await saysWith('/usr/bin/slirp4netns', '#!/bin/sh\necho no luck >&2; exit 1\n')).toBe(
      'slirp4netns could not start: no luck',
    );
  });
});
