import { Said } from '@reprise/runner/deploy/hosts/session.ts';
import {
  compare,
  manifestText,
  measuredDigest,
  readManifest,
  readMeasured,
} from '@reprise/runner/deploy/manifest.ts';
import { describe, expect, test } from 'vitest';

const sum = (digit: string) => digit.repeat(64);
const said = new Said([
  'kinds=da\nfa/b c\nxa/run\nllink\nmgone\nfREVISION\nfconfig/.env\nfback\\slash\n',
  'targets=a/b c\n',
  `sums=${sum('0')}  /dev/null\n${sum('1')}  ./a/b c\n${sum('2')}  ./a/run\n${sum('3')}  ./REVISION\n${sum('4')}  ./config/.env\n\\${sum('5')}  ./back\\\\slash\n`,
]);

describe('what a host measured', () => {
  const measured = readMeasured(said, ['config/.env', 'log/']);

  test('is the artifact as it is there, without what is shared and what every release gets', () => {
    expect(measured.missing).toEqual(['gone']);
    expect(measured.entries).toEqual([
      { type: 'directory', path: 'a', mode: '0755' },
      { type: 'file', path: 'a/b c', mode: '0644', size: 0, sha256: sum('1') },
      { type: 'file', path: 'a/run', mode: '0755', size: 0, sha256: sum('2') },
      { type: 'file', path: 'back\\slash', mode: '0644', size: 0, sha256: sum('5') },
      { type: 'link', path: 'link', target: 'a/b c' },
    ]);
  });

  test('is recorded so that nothing of it can change unseen', () => {
    const recorded = readManifest(manifestText(measured));
    expect(compare(recorded, measured)).toEqual([]);
    for (const [kinds, path, change] of [
      ['da\nxa/b c\nxa/run\nllink\nfback\\slash\n', 'a/b c', 'changed'],
      ['da\nma/b c\nxa/run\nllink\nfback\\slash\n', 'a/b c', 'missing'],
      ['fa\nfa/b c\nxa/run\nllink\nfback\\slash\n', 'a', 'changed'],
    ]) {
      const sums = `${said.get('sums')}${sum('9')}  ./a\n`;
      const now = readMeasured(
        new Said([`kinds=${kinds}`, `targets=${said.get('targets')}`, `sums=${sums}`]),
        [],
      );
      expect(compare(recorded, now)).toEqual([{ path, change }]);
      expect(measuredDigest(now)).not.toBe(measuredDigest(measured));
    }
    const elsewhere = readMeasured(
      new Said([`kinds=${said.get('kinds')}`, 'targets=/etc/passwd\n', `sums=${said.get('sums')}`]),
      ['config/.env'],
    );
    expect(compare(recorded, elsewhere)).toEqual([{ path: 'link', change: 'changed' }]);
  });

  test('that does not fit together is a fault, not a guess', () => {
    expect(() => readMeasured(new Said(['kinds=fa\n', 'targets=', 'sums=']), [])).toThrow(
      'a could not be read',
    );
  });
});
