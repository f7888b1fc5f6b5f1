import { assertLink, type Look } from '@reprise/runner/artifact/links.ts';
import { describe, expect, test } from 'vitest';

/** `d/` holds `f`, `self` and `up`; beside it are a chain of links and one that leads out. */
const TREE: Record<string, ReturnType<Look>> = {
  d: 'directory',
  'd/f': 'file',
  'd/self': { target: '.' },
  'd/up': { target: '..' },
  one: { target: 'two' },
  two: { target: 'd/../three' },
  three: { target: 'd/f' },
  out: { target: '../x' },
  root: { target: '/etc' },
  circle: { target: 'elcric' },
  elcric: { target: 'circle' },
};

const look: Look = (path) => TREE[path];

describe('a link stays in the tree', () => {
  test.each([
    ['l', 'd/f'],
    ['l', './d//f'],
    ['l', 'd/'],
    ['d/l', 'f'],
    ['d/l', '..'],
    ['d/l', '../d/f'],
    ['l', 'one'],
    ['l', 'd/self/self/f'],
    ['l', 'd/up/d/f'],
    ['l', '.'],
  ])('%s -> %s', (path, target) => {
    expect(() => assertLink(path, target, look)).not.toThrow();
  });
});

describe('a link leads elsewhere', () => {
  test.each([
    ['l', '', 'has no target'],
    ['l', '/d/f', 'is absolute'],
    ['l', '..', 'leaves the artifact'],
    ['l', '../l', 'leaves the artifact'],
    ['d/l', '../../d', 'leaves the artifact'],
    ['l', 'd/up/..', 'leaves the artifact'],
    ['l', 'out', 'leaves the artifact'],
    ['l', 'root/passwd', 'leads to an absolute link'],
    ['l', 'none', 'points at nothing'],
    ['l', 'd/none/../f', 'points at nothing'],
    ['l', 'd/f/x', 'passes through a file'],
    ['l', 'd/f/..', 'passes through a file'],
    ['l', 'circle', 'goes in a circle'],
  ])('%s -> %s: it %s', (path, target, why) => {
    expect(() => assertLink(path, target, look)).toThrow(why);
  });
});
