import { parsePipeline } from '@reprise/pipelines/parse.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const MIB = 1024 * 1024;

/** So many signs just pass the limit on what is handed to the YAML parser. */
const SIGNS = 28_000;

const numbered = (count: number, line: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => line(n));

const corpus: Record<string, string> = {
  'one MiB of open brackets': '['.repeat(MIB),
  'brackets below the limit on signs': '['.repeat(SIGNS),
  'nested flow maps': '{a: '.repeat(SIGNS / 5),
  'nested block maps': numbered(1400, (n) => `${' '.repeat(n)}a:`).join('\n'),
  'nested block lists': '- '.repeat(SIGNS / 2),
  'explicit keys': '? '.repeat(SIGNS / 2),
  'nothing but commas': `[${','.repeat(SIGNS)}]`,
  'nothing but tags': '! '.repeat(SIGNS / 2),
  'nothing but anchors': '&a '.repeat(SIGNS / 3),
  'nothing but quotes': '"'.repeat(SIGNS),
  'nothing but directives': '%\n'.repeat(SIGNS / 2),
  'one MiB of empty lines': '\n'.repeat(MIB),
  'one MiB of carriage returns': '\r'.repeat(MIB),
  'thousands of keys': numbered(4500, (n) => `k${n}: 1`).join('\n'),
  'the same key, again and again': 'a:\n'.repeat(7000),
  'thousands of broken jobs': `version: 1\njobs:\n${numbered(1800, (n) => `  k${n}: {a: 1}`).join('\n')}`,
  'the billion laughs': numbered(20, (n) => `a${n}: &a${n} [${n ? `*a${n - 1},`.repeat(9) : 'x'}]`).join(
    '\n',
  ),
  'thousands of aliases': `a: &a x\nb: [${'*a,'.repeat(9000)}]`,
  'an alias of itself': 'version: 1\njobs: &a {b: *a}',
  'a large text through many aliases': `a: &a ${'x'.repeat(MIB / 2)}\nb: [${'*a,'.repeat(50)}]`,
  'one MiB of expressions in a script': `version: 1\njobs: {a: {steps: [{run: "${'$'.concat('{{x}}').repeat(170_000)}"}]}}`,
  'open expressions': `version: 1\nenv: {A: "${'$'.concat('{{x').repeat(15_000)}"}\njobs: {a: {steps: [{run: x}]}}`,
  'everything needs everything before it': `version: 1\njobs:\n${numbered(256, (n) => `  k${n}: {needs: [${numbered(Math.min(n, 20), (m) => `k${n - m - 1}`)}${n ? '' : 'k255'}], steps: [{run: x}]}`).join('\n')}`,
  'a text over the limit': `a: ${'x'.repeat(MIB)}`,
};

test.each(Object.entries(corpus))('%s is refused at once', (_, text) => {
  const started = performance.now();
  const { pipeline, problems } = parsePipeline(text);
  expect(pipeline).toBeNull();
  expect(problems.length).toBeGreaterThan(0);
  expect(problems.length).toBeLessThanOrEqual(51);
  for (const { message } of problems) expect(message.length).toBeLessThanOrEqual(400);
  // Far above what it takes, and far below what it took without the limits.
  expect(performance.now() - started).toBeLessThan(5000);
});

test('a file that uses its limits well is still read', () => {
  const script = 'echo all is well\n'.repeat(30_000).replaceAll('\n', '\n          ');
  const text = `version: 1\njobs:\n  a:\n    steps:\n      - run: |\n          ${script}\n`;
  expect(parsePipeline(text).pipeline?.jobs[0]?.steps[0]?.run).toHaveLength(510_000);
});

describe('parsing never throws', () => {
  /** Whatever the text, the answer is a pipeline or problems that have places. */
  function judge(text: string) {
    const { pipeline, problems } = parsePipeline(text);
    expect(pipeline === null).toBe(problems.length > 0);
    const lines = text.split(/\r\n|\n/).length;
    for (const { line, column, message } of problems) {
      expect(line).toBeGreaterThanOrEqual(1);
      expect(line).toBeLessThanOrEqual(lines);
      expect(column).toBeGreaterThanOrEqual(1);
      expect(message).not.toBe('');
    }
  }

  test('on any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), judge), { numRuns: 1000 });
  });

  test('on the signs of YAML in any order', () => {
    const sign = fc.constantFrom(
      ...[
        'a',
        ':',
        ' ',
        '\n',
        '-',
        '  ',
        '[',
        ']',
        '{',
        '}',
        ',',
        '&a ',
        '*a',
        '|',
        '>',
        '"',
        "'",
        '#',
        '!',
        '?',
      ],
      ...['<<', '%', '---', '...', '\t', '\0', '\r', '~', '1', 'version: 1\n', 'jobs:\n', 'run'],
    );
    fc.assert(fc.property(fc.string({ unit: sign, maxLength: 40 }), judge), { numRuns: 3000 });
  });

  test('on any data where the language expects its own', () => {
    const leaf = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom('20m', 'a', '..', '$'),
    );
    const key = fc.constantFrom(
      ...[
        'version',
        'on',
        'push',
        'branches',
        'env',
        'jobs',
        'a',
        'b',
        'needs',
        'steps',
        'run',
        'name',
        'timeout',
      ],
      ...[
        'artifact',
        'artifacts',
        'paths',
        'inputs',
        'environments',
        'hosts',
        'path',
        'requires',
        'toString',
        '10',
      ],
    );
    const { any } = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 6 },
        leaf,
        fc.dictionary(key, tie('any')),
        fc.array(tie('any'), { maxLength: 3 }),
      ),
    }));
    const file = fc.record(
      { version: fc.constant(1), jobs: any, on: any, env: any, environments: any },
      { requiredKeys: ['version'] },
    );
    fc.assert(
      fc.property(file, (data) => judge(JSON.stringify(data))),
      { numRuns: 1500 },
    );
  });
});
