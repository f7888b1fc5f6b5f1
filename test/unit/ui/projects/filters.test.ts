import { changed, type Filters, filtersOf, isNarrowed, queryOf } from '@reprise/ui/projects/filters.ts';
import { expect, test } from 'vitest';

const NONE: Filters = { branch: '', status: '', trigger: '', commit: '', before: 0 };
const of = (query: string) => filtersOf(new URLSearchParams(query));

test('nothing in the address filters nothing, and makes no query', () => {
  expect(of('')).toEqual(NONE);
  expect(queryOf(NONE)).toBe('');
  expect(isNarrowed(NONE)).toBe(false);
});

test('what is filtered comes back from the address unchanged, whatever a branch is called', () => {
  const filters: Filters = {
    branch: 'feature/a&b=c #1 %2f "quoted" ünï',
    status: 'failed',
    trigger: 'pull_request',
    commit: '1a2b3c4d',
    before: 120,
  };
  expect(filtersOf(new URLSearchParams(queryOf(filters)))).toEqual(filters);
  expect(isNarrowed(filters)).toBe(true);
});

test('what is no status, trigger, commit or number is left out', () => {
  expect(of('status=green&trigger=__proto__&commit=xyz&before=-3')).toEqual(NONE);
  expect(of('status=toString&before=1.5&commit=1a2')).toEqual(NONE);
  expect(of('commit=ABCD')).toEqual({ ...NONE, commit: 'abcd' });
});

test('a page of the list alone does not narrow it, and changing a filter begins at the newest', () => {
  const page = of('branch=main&before=50');
  expect(isNarrowed({ ...NONE, before: 50 })).toBe(false);
  expect(changed(page, { status: 'failed' })).toEqual({ ...NONE, branch: 'main', status: 'failed' });
  expect(changed(page, { before: 25 })).toEqual({ ...NONE, branch: 'main', before: 25 });
});
