import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from '@reprise/runner/remove-tree.ts';
import { expect, test } from 'vitest';
import { tempDir } from '../../rig/temp.ts';

test('a tree that is nested deeper than a path may be long is removed', async () => {
  using dir = tempDir();
  const tree = join(dir.path, 'workspace');
  const nest = `mkdir ${tree} && cd ${tree} && d=${'d'.repeat(200)} && i=0
    while [ $i -lt 60 ]; do mkdir $d && cd -P ./$d && : >file && i=$((i+1)); done; chmod 0 .`;
  execFileSync('bash', ['-c', nest]);
  await removeTree(tree);
  expect(existsSync(tree)).toBe(false);
});
