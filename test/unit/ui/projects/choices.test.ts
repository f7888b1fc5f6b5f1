import { choicesFor } from '@reprise/ui/projects/choices.ts';
import { expect, test } from 'vitest';

const AT = '2026-01-01T00:00:00.000Z';
const sha = (digit: string) => digit.repeat(40);
const branch = (name: string, commit: string) => ({
  name,
  kind: 'branch' as const,
  ref: `refs/heads/${name}`,
  commit,
  at: AT,
  builds: [],
});
const commit = (digit: string, subject: string, builds: { number: number; status: 'passed' }[] = []) => ({
  sha: sha(digit),
  subject,
  author: 'Ada',
  at: AT,
  builds,
});
const refs = [branch('main', sha('a')), branch('release/main-2', sha('b'))];
const commits = [commit('a', 'Newest', [{ number: 3, status: 'passed' }]), commit('b', 'Older')];
const titles = (query: string, o: Partial<Parameters<typeof choicesFor>[0]> = {}) =>
  choicesFor({ query, history: 'main', refs, commits, ...o }).map(({ title }) => title);

test('without a query the newest commits are offered, with the refs that are there now', () => {
  const [group, ...others] = choicesFor({ query: ' ', history: 'main', refs, commits });
  expect(others).toEqual([]);
  expect(group?.title).toBe('Newest commits of main');
  expect(
    group?.choices.map((choice) => choice.kind === 'commit' && choice.refs.map(({ name }) => name)),
  ).toEqual([['main'], ['release/main-2']]);
});

test('with a query branches and tags come first, the exact one before all, with the builds of their commits', () => {
  const [group] = choicesFor({ query: 'main', history: 'main', refs: refs.toReversed(), commits });
  expect(group?.title).toBe('Branches and tags');
  expect(group?.choices.map(({ ref }) => ref)).toEqual(['refs/heads/main', 'refs/heads/release/main-2']);
  expect(group?.choices.map((choice) => choice.kind === 'ref' && choice.builds.length)).toEqual([1, 0]);
});

test('a commit is asked for by its whole name, and every key is its own', () => {
  const choices = choicesFor({ query: 'e', history: 'main', refs, commits }).flatMap(
    (group) => group.choices,
  );
  expect(choices.find(({ kind }) => kind === 'commit')?.ref).toBe(sha('a'));
  expect(new Set(choices.map(({ key }) => key)).size).toBe(choices.length);
});

test('what was typed is offered itself unless it is one of what is listed', () => {
  expect(titles('fix')).toEqual(['Branches and tags', 'Commits of main', 'As typed']);
  expect(titles('main')).not.toContain('As typed');
  expect(titles('refs/heads/main')).not.toContain('As typed');
  expect(titles('AAAAAAA')).not.toContain('As typed');
  expect(titles('aaa')).toContain('As typed');
  expect(titles('v9', { refs: [], commits: [] })).toEqual(['As typed']);
  expect(titles('', { refs: [], commits: [] })).toEqual([]);
});
