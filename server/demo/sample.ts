import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The demo's application: a small static site, built and tested with nothing but a shell. */
const PIPELINE = `version: 1
app:
  description: A page that says hello
  owner: demo
jobs:
  site:
    steps:
      - name: Test
        run: sh test.sh
      - name: Build
        run: |
          echo "Building $REPRISE_PROJECT $REPRISE_VERSION from $REPRISE_COMMIT"
          sh build.sh
    artifact: { name: hello, paths: [public] }
`;

const BUILD = `set -eu
mkdir -p public
for page in pages/*.txt; do
  name=$(basename "$page" .txt)
  { echo "<!doctype html><title>$name</title>"; sed 's/.*/<p>&<\\/p>/' "$page"; } > "public/$name.html"
done
# Made reproducible the usual way: the commit's time, never the clock's.
date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%d > public/built.txt
ls -l public
`;

const TEST = `set -eu
for page in pages/*.txt; do
  test -s "$page" || { echo "$page is empty"; exit 1; }
  echo "ok $page"
done
`;

/** One commit each, oldest first: message and the files it writes. */
const HISTORY: [string, Record<string, string>][] = [
  [
    'Say hello',
    { 'pages/index.txt': 'Hello.\n', 'build.sh': BUILD, 'test.sh': TEST, '.reprise.yml': PIPELINE },
  ],
  ['Add a page about us', { 'pages/about.txt': 'We repeat ourselves.\n' }],
  ['Greet the world', { 'pages/index.txt': 'Hello, world.\n' }],
];

/** A real git repository with a tag and three commits. Returns their object names, oldest first. */
export function makeSampleRepository(path: string): string[] {
  mkdirSync(path, { recursive: true });
  const git = (args: string[], at = 0) =>
    execFileSync('git', args, { cwd: path, encoding: 'utf8', env: gitEnvironment(path, at) }).trim();
  git(['init', '--quiet', '--initial-branch=main']);
  return HISTORY.map(([message, files], at) => {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      writeFileSync(join(path, name), content);
    }
    git(['add', '--all'], at);
    git(['commit', '--quiet', '--message', message], at);
    if (at === 0) git(['tag', '--annotate', 'v1.0.0', '--message', 'First release'], at);
    return git(['rev-parse', 'HEAD'], at);
  });
}

/** One more commit, which says where the artifact goes: to this directory of this machine. Nothing else changes, so nothing is built. */
export function addStaging(path: string, directory: string): void {
  const git = (args: string[]) =>
    execFileSync('git', args, { cwd: path, encoding: 'utf8', env: gitEnvironment(path, HISTORY.length) });
  const environments = `environments:
  staging:
    path: ${directory}
    hosts: [local]
    health: { run: test -s public/index.html, timeout: 5s }
`;
  writeFileSync(join(path, '.reprise.yml'), PIPELINE + environments);
  git(['commit', '--quiet', '--all', '--message', 'Go to staging']);
}

/** Fixed authors and times: the demo's commits have the same names everywhere, and so has its artifact. */
function gitEnvironment(home: string, at: number): NodeJS.ProcessEnv {
  const who = { NAME: 'Ada Example', EMAIL: 'ada@example.com', DATE: `${1_767_225_600 + at * 3600} +0000` };
  return {
    PATH: process.env['PATH'],
    HOME: home,
    GIT_CONFIG_NOSYSTEM: '1',
    ...Object.fromEntries(
      Object.entries(who).flatMap(([key, value]) => [
        [`GIT_AUTHOR_${key}`, value],
        [`GIT_COMMITTER_${key}`, value],
      ]),
    ),
  };
}
