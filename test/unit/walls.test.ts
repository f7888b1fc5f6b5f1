import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cruise, type ICruiseResult, type IForbiddenRuleType } from 'dependency-cruiser';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

/** Who may import whom: pipelines <- runner <- server <- ui (types only); nobody imports test. */
const WALLS = [
  wall(
    'pipelines',
    ['pipelines'],
    'pipelines knows nobody: move what it needs into it, or hand it in as an argument.',
  ),
  wall(
    'runner',
    ['runner', 'pipelines'],
    'The runner may know pipelines only: what crosses the wire belongs in runner/protocol.ts.',
  ),
  wall(
    'server',
    ['server', 'pipelines', 'runner'],
    'The server may know pipelines and runner/protocol.ts only.',
  ),
  {
    name: 'server-runner',
    comment:
      'Of the runner the server may name the protocol; only the command may name the entry point that starts one.',
    severity: 'error' as const,
    from: { path: '^server/', pathNot: '^server/main\\.ts$' },
    to: { path: '^runner/', pathNot: '^runner/protocol(\\.constants|\\.schema)?\\.ts$' },
  },
  {
    name: 'no-circles',
    comment: 'Two files that need each other are one thing, or hide a third: part it out.',
    severity: 'error' as const,
    from: {},
    to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
  },
];

function wall(from: string, allowed: string[], comment: string) {
  return {
    name: `${from}-imports`,
    comment,
    severity: 'error' as const,
    from: { path: `^${from}/` },
    to: { path: '^(pipelines|runner|server|ui|test)/', pathNot: `^(${allowed.join('|')})/` },
  };
}

test('imports keep to the walls between the packages', { timeout: 120_000 }, async () => {
  const { output } = await cruise(
    ['pipelines', 'runner', 'server'],
    {
      baseDir: ROOT,
      ruleSet: { forbidden: WALLS as IForbiddenRuleType[] },
      validate: true,
      tsPreCompilationDeps: true,
      doNotFollow: { path: 'node_modules' },
      enhancedResolveOptions: {
        exportsFields: ['exports'],
        conditionNames: ['import', 'node', 'default'],
        extensions: ['.ts', '.js'],
      },
    },
    { bustTheCache: true },
  );
  const { summary, modules } = output as ICruiseResult;
  expect(modules.length).toBeGreaterThan(50);
  const broken = summary.violations.map(({ from, to, rule }) => {
    const comment = WALLS.find(({ name }) => name === rule.name)?.comment;
    return `${from} -> ${to}: ${comment}`;
  });
  expect(broken).toEqual([]);
});

test('the page takes nothing from the server but the types of its answers', () => {
  const wrong = sourcesOf('ui/src').flatMap((file) =>
    [...readFileSync(join(ROOT, file), 'utf8').matchAll(/^.*from '(@reprise\/[^']+)'.*$/gm)]
      .filter(
        ([line, from = '']) => !/^\s*(import|export) type /.test(line) || !TYPES_FOR_THE_PAGE.test(from),
      )
      .map(([line]) => `${file}: ${line.trim()}`),
  );
  expect(wrong, 'import types only, from server/api.ts, a *.api.ts file, or pipelines').toEqual([]);
});

test('the page never makes HTML or styles out of text', () => {
  const wrong = sourcesOf('ui/src').filter((file) =>
    /\{@html|innerHTML|insertAdjacentHTML|\sstyle="|document\.write/.test(
      readFileSync(join(ROOT, file), 'utf8'),
    ),
  );
  expect(wrong, 'text is a text node; a style is a class or style:name={value}').toEqual([]);
});

const TYPES_FOR_THE_PAGE = /^@reprise\/(server\/(api|.+\.api)|pipelines\/[a-z-]+)\.ts$/;

function sourcesOf(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|svelte|html)$/.test(name))
    .map((name) => join(folder, name));
}

test('every folder that holds code has a README', () => {
  const folders = ['pipelines', 'runner', 'server', 'ui', 'test', 'ui/src/lib'].flatMap((top) => [
    ...(top.includes('/') ? [] : [top]),
    ...(top === 'test' || top === 'ui' ? [] : foldersIn(top)),
  ]);
  const silent = folders.filter((folder) => !readdirSync(join(ROOT, folder)).includes('README.md'));
  expect(silent).toEqual([]);
});

function foldersIn(top: string): string[] {
  return readdirSync(join(ROOT, top), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !['node_modules', 'bin'].includes(entry.name))
    .map((entry) => join(top, entry.name));
}

test('no source file names a place that only one machine has', () => {
  const files = ['pipelines', 'runner', 'server', 'test'].flatMap((top) =>
    readdirSync(join(ROOT, top), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
      .map((name) => join(ROOT, top, name)),
  );
  const own = new RegExp(ROOT.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') + '/');
  const named = files.filter((file) => statSync(file).isFile() && own.test(readFileSync(file, 'utf8')));
  expect(named).toEqual([]);
});
