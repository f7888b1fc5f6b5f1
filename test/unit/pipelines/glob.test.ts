import { compileGlob, globProblem } from '@reprise/pipelines/glob.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';

test.each([
  ['main', ['main'], ['mainly', 'a/main', '']],
  ['*', ['main', '.hidden'], ['a/b']],
  ['**', ['main', 'a/b', 'a/.b/c'], []],
  ['release/*', ['release/1.0'], ['release', 'release/1/2', 'xrelease/1']],
  ['release/**', ['release/1.0', 'release/1/2'], ['release', 'released/1']],
  ['v*.*.*', ['v1.2.3', 'v1.2.3-rc.1'], ['v1.2', '1.2.3']],
  ['**/*.md', ['a.md', 'docs/a.md', 'docs/x/.a.md'], ['a.mdx', 'md']],
  ['docs/**/*.md', ['docs/a.md', 'docs/x/y/a.md'], ['a.md', 'xdocs/a.md']],
  ['**.js', ['a.js', 'src/a.js'], ['a.jsx']],
  ['a**b', ['ab', 'a/x/b'], ['a']],
  ['v?', ['v1'], ['v', 'v10', 'v/']],
  ['v[0-9]', ['v1'], ['va', 'v10', 'v']],
  ['[!a-c]x', ['dx'], ['ax', '/x']],
  ['[]a]', [']', 'a'], ['b']],
  ['{main,next}', ['main', 'next'], ['{main,next}', 'mainnext']],
  ['a{b,c{d,e}}f', ['abf', 'acdf', 'acef'], ['acf', 'af']],
  ['a{,b}', ['a', 'ab'], ['b']],
  ['\\*\\{', ['*{'], ['a{']],
  ['a.b+c', ['a.b+c'], ['aXb+c', 'a.bbc']],
])('%s matches %j and not %j', (pattern, matching, others) => {
  const matches = compileGlob(pattern);
  expect(matching.filter((text) => !matches(text))).toEqual([]);
  expect(others.filter(matches)).toEqual([]);
});

test.each([
  ['', 'must not be empty'],
  ['a{b', 'has a { that is never closed'],
  ['[ab', 'has a [ that is never closed'],
  ['a\\', 'ends with a \\ that has nothing to protect'],
  ['{a,b}'.repeat(5), 'has more than 16 alternatives in braces'],
  ['x'.repeat(257), 'must have at most 256 characters'],
])('%j %s', (pattern, problem) => {
  expect(globProblem(pattern)).toBe(problem);
});

test('every pattern either has a problem or can be used', () => {
  const sign = fc.constantFrom('a', 'b', '/', '*', '**', '?', '[', ']', '{', '}', ',', '\\', '!', '-');
  const pattern = fc.array(sign, { minLength: 1, maxLength: 20 }).map((signs) => signs.join(''));
  fc.assert(
    fc.property(pattern, fc.string({ unit: sign, maxLength: 20 }), (glob, text) => {
      if (globProblem(glob) === null) expect(typeof compileGlob(glob)(text)).toBe('boolean');
      else expect(() => compileGlob(glob)).toThrow();
    }),
    { numRuns: 2000 },
  );
});

test('a star decides like the regular expression that it stands for', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 12 });
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*'), minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(pattern, word, (glob, text) => {
      fc.pre(!glob.includes('**'));
      expect(compileGlob(glob)(text)).toBe(new RegExp(`^${glob.replaceAll('*', '[^/]*')}$`).test(text));
    }),
    { numRuns: 2000 },
  );
});

test('a pattern made to backtrack is decided at once', () => {
  const matches = compileGlob(`${'*a'.repeat(127)}*b`);
  const started = performance.now();
  expect(matches('a'.repeat(250))).toBe(false);
  expect(performance.now() - started).toBeLessThan(1000);
});
