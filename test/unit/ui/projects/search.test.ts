import { matching } from '@reprise/ui/projects/search.ts';
import { expect, test } from 'vitest';

const project = (name: string, github: string | null = null) => ({
  name,
  github,
  cloneUrl: `https://forge.example/team/${name}`,
});
const all = [project('shop'), project('api'), project('web-shop', 'Example/Web'), project('docs')];
const names = (query: string) => matching(all, query).map(({ name }) => name);

test('all projects by name, where nothing is searched', () => {
  expect(names('')).toEqual(['api', 'docs', 'shop', 'web-shop']);
  expect(names('   ')).toHaveLength(4);
});

test('what begins with the first word comes first', () => {
  expect(names('shop')).toEqual(['shop', 'web-shop']);
});

test('every word must be found, in the name or the address, without case', () => {
  expect(names('SHOP example/web')).toEqual(['web-shop']);
  expect(names('forge.example do')).toEqual(['docs']);
  expect(names('shop docs')).toEqual([]);
});
