import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fold, isFoldDue } from '@reprise/runner/checkout/fold.ts';
import { expect, test } from 'vitest';
import { makeRepository } from '../../rig/repository.ts';
import { tempDir } from '../../rig/temp.ts';

test('a mirror with many small packs is folded to few, and loses nothing', async () => {
  using dir = tempDir();
  const repository = makeRepository(dir.join('repository'));
  const mirror = dir.join('repository/.git');
  const packs = () =>
    readdirSync(join(mirror, 'objects/pack')).filter((name) => name.endsWith('.pack')).length;
  expect(isFoldDue(mirror)).toBe(false);
  for (let index = 0; index < 32; index += 1) {
    repository.commit(`Number ${index}`, { file: String(index) });
    repository.git('repack', '-d', '--quiet');
  }
  expect(packs()).toBe(32);
  expect(isFoldDue(mirror)).toBe(true);
  await fold({ env: { PATH: process.env['PATH'] ?? '' } }, mirror);
  expect(packs()).toBeLessThan(5);
  expect(isFoldDue(mirror)).toBe(false);
  expect(repository.git('fsck', '--full', '--strict')).toBe('');
  expect(repository.git('rev-list', '--count', 'HEAD')).toBe('32');
});
