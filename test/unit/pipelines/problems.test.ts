// biome-ignore-all lint/suspicious/noTemplateCurlyInString: expressions of the pipeline language look like that
import { parsePipeline } from '@reprise/pipelines/parse.ts';
import { formatProblem } from '@reprise/pipelines/problem.ts';
import { describe, expect, test } from 'vitest';
import { problemsOf } from './read.ts';

test('a problem is printed so that editors find the place', () => {
  const problem = { line: 3, column: 7, message: 'no' };
  expect(formatProblem('.reprise.yml', problem)).toBe('.reprise.yml:3:7: no');
});

/** A file with these lines inside its only job, which begin in line 4 and column 5. */
const inJob = (...lines: string[]) =>
  ['version: 1', 'jobs:', '  a:', ...lines.map((line) => `    ${line}`), '    steps: [{run: x}]'].join('\n');

/** A file with these lines at the top, from line 2 on. */
const atTop = (...lines: string[]) => ['version: 1', ...lines, 'jobs: {a: {steps: [{run: x}]}}'].join('\n');

/** A file with these lines inside its only environment, which begin in line 4 and column 5. */
const inPlace = (...lines: string[]) =>
  [
    'version: 1',
    'environments:',
    '  e:',
    ...lines.map((line) => `    ${line}`),
    ...['path: /srv/a', 'hosts: local']
      .filter((line) => !lines.some((given) => given.startsWith(line.slice(0, 5))))
      .map((line) => `    ${line}`),
    'jobs: {a: {steps: [{run: x}]}}',
  ].join('\n');

function expectOnly(text: string, problem: string) {
  expect(problemsOf(text)).toEqual([expect.stringContaining(problem)]);
}

describe('keys', () => {
  test.each([
    [atTop('job: {}'), '2:1: "job" is not known at the top of the file; did you mean "jobs"?'],
    [inJob('timout: 20m'), '4:5: "timout" is not known in jobs.a; did you mean "timeout"?'],
    [inJob('run: make'), '4:5: "run" is not known in jobs.a; known are name, runs-on, needs'],
    [inJob('Steps: []'), '4:5: "Steps" is not known in jobs.a; did you mean "steps"?'],
    [
      inJob('artifact: {name: a, path: b, paths: b}'),
      '4:25: "path" is not known in jobs.a.artifact; did you mean "paths"?',
    ],
    [atTop('on: {push: {branch: main}}'), '2:13: "branch" is not known in on.push; did you mean "branches"?'],
    [
      inPlace('hosts: local', 'healt: {}'),
      '5:5: "healt" is not known in environments.e; did you mean "health"?',
    ],
    [
      atTop('xyzzy: 1'),
      '"xyzzy" is not known at the top of the file; known are version, app, on, cancel-superseded, env, jobs, environments',
    ],
    [
      'version: 1\njobs: {a: {steps: [{run: x, uses: y}]}}',
      '"uses" is not known in jobs.a.steps[0]; known are name',
    ],
    [atTop('constructor: 1'), '"constructor" is not known at the top'],
    [atTop('__proto__: 1'), '2:1: this cannot be used as a key'],
    [atTop('env: {A: 1}', 'env: {B: 2}'), '3:1: "env" is written twice'],
    [atTop('env: {<<: {A: 1}}'), '2:7: merge keys (<<) are not supported'],
    [atTop('env: {[a]: 1}'), '2:7: a key must be a plain word'],
  ])('$1', expectOnly);
});

describe('keys of the language that this version cannot carry out', () => {
  const job = ['image', 'services', 'matrix', 'if', 'cache', 'reports', 'submodules', 'lfs'];
  test.each(job)('job: %s', (key) => {
    expectOnly(inJob(`${key}: x`), `4:5: ${key} is not supported by this version of Reprise`);
  });
  test.each(['if', 'continue-on-error'])('step: %s', (key) => {
    const text = `version: 1\njobs:\n  a:\n    steps:\n      - run: x\n        ${key}: true`;
    expectOnly(text, `6:9: ${key} is not supported by this version of Reprise`);
  });
  test.each([
    ['schedule', '2:5: on names schedule, which needs a map: schedule: [{ cron: "0 3 * * *" }]'],
    ['{schedule: [{cron: "61 3 * * *"}]}', '2:24: cron must be five fields such as "0 3 * * *"'],
    ['{schedule: [{cron: "0 0 0 3 * * *"}]}', '2:24: cron must be five fields'],
    ['{schedule: [{cron: "0 0 30 2 *"}]}', '2:24: cron must be five fields'],
    [
      '{schedule: [{cron: "0 3 * * *", brunch: x}]}',
      '2:37: "brunch" is not known in on.schedule[0]; did you mean "branch"?',
    ],
    [
      '{schedule: [{cron: "0 3 * * *", timezone: Mars/Base}]}',
      '2:47: timezone must be a time zone such as Europe/Berlin, or UTC',
    ],
    ['{schedule: [{cron: "0 3 * * *", timezone: "+02:00"}]}', '2:47: timezone must be a time zone such as'],
  ])('on: %s', (on, problem) => expectOnly(atTop(`on: ${on}`), problem));
});

describe('values', () => {
  test.each([
    [inJob('concurrency: ""'), '4:18: concurrency must not be empty'],
    [
      inJob('concurrency: 5'),
      '4:18: concurrency must be a group such as docs, or a map with group and limit',
    ],
    [inJob('concurrency: [docs]'), '4:18: concurrency must be a group such as docs'],
    [inJob('concurrency: {limit: 2}'), 'concurrency has no group: it must be text'],
    [inJob('concurrency: {group: a, limit: 0}'), '4:36: limit must be a whole number from 1 to 100'],
    [
      inJob('concurrency: {group: a, cancel-in-progress: true}'),
      '4:29: "cancel-in-progress" is not known in jobs.a.concurrency; known are group, limit',
    ],
    [inJob('priority: high'), '4:15: priority must be a whole number from -100 to 100'],
    [inJob('priority: 101'), '4:15: priority must be a whole number from -100 to 100'],
    [atTop('cancel-superseded: true'), '2:20: cancel-superseded must be queued, running, or a map'],
    [atTop('cancel-superseded: all'), '2:20: cancel-superseded must be queued'],
    [atTop('cancel-superseded: {builds: all}'), '2:29: builds must be queued or running'],
    [
      atTop('cancel-superseded: {default-branch: true}'),
      'cancel-superseded has no builds: it must be queued',
    ],
    [inJob('timeout: 20'), '4:14: timeout must be a duration such as 20m'],
    [inJob('timeout: 20 minutes'), '4:14: timeout must be a duration such as 20m'],
    [inJob('timeout: ""'), '4:14: timeout must be a duration such as 20m'],
    [inJob('timeout: 0s'), '4:14: timeout must be between 1s and 24h'],
    [inJob('timeout: 25h'), '4:14: timeout must be between 1s and 24h'],
    [inJob('timeout:'), '4:5: timeout is empty: it must be a duration'],
    [inJob('retry: 3'), '4:12: retry must be a whole number from 0 to 2'],
    [inJob('retry: 0.5'), '4:12: retry must be a whole number from 0 to 2'],
    [inJob('network: host'), '4:14: network must be egress or none'],
    [inJob('runs-on: []'), '4:14: runs-on must not be an empty list; leave it out instead'],
    [inJob('runs-on: [linux, linux]'), '4:22: runs-on[1] repeats "linux"'],
    [inJob('runs-on: {a: b}'), '4:14: runs-on must be a label of a runner, or a list of them'],
    [inJob('name: "a\\nb"'), '4:11: name must be one line'],
    [
      inJob('working-directory: /etc'),
      'working-directory must be relative to the root of the repository, not absolute',
    ],
    [
      inJob('working-directory: a/../..'),
      'working-directory must stay inside the repository: ".." leaves it',
    ],
    [inJob('working-directory: ~/a'), 'not to a home directory'],
    [inJob('artifact: {paths: a}'), '4:5: artifact has no name: it must be a name'],
    [inJob('artifact: {name: A, paths: a}'), '4:22: name must be a name: 1 to 63 of a-z'],
    [inJob('artifact: {name: a, paths: []}'), '4:32: paths must not be an empty list'],
    [inJob('artifact: {name: a, paths: [b, ../c]}'), '4:36: paths[1] must stay inside the repository'],
    [
      inJob('artifact: {name: a, paths: "!b"}'),
      '4:32: paths must not begin with "!": list it under exclude instead',
    ],
    [inJob('artifact: {name: a, paths: "a\\\\b"}'), 'without backslashes'],
    [inJob('artifact: dist'), '4:15: artifact must be an artifact such as { name: shop, paths: [dist] }'],
    [atTop('on: {push: {branches: []}}'), '2:23: branches must not be an empty list'],
    [atTop('on: {push: {branches: ["a{b"]}}'), '2:24: branches[0] has a { that is never closed'],
    [atTop('on: {push: {tags: "[a"}}'), '2:19: tags has a [ that is never closed'],
    [atTop('on: tag'), '2:5: on must be push, pull_request, a list of them, or a map with filters'],
    [atTop('app: {links: {x: "javascript:alert(1)"}}'), '2:18: x must be an http, https or mailto address'],
    [atTop('app: {owner: 5}'), '2:14: owner must be text; put it in quotes if it is'],
    [atTop('env: {1A: x}'), '2:7: "1A" must be a name of letters, digits and underscores'],
    [
      atTop('env: {A:}'),
      '2:7: A is empty: it must be text, a number, true or false; write "" for an empty value',
    ],
    [atTop('env: {A: [1]}'), '2:10: A must be text, a number, true or false'],
    [atTop('env: [A=1]'), '2:6: env must be a map of names to values, such as { NODE_ENV: test }'],
    [atTop('env: {A: "\\0"}'), '2:10: a NUL character stands here'],
    [atTop(`env: {A: ${'x'.repeat(70_000)}}`), '2:6: env must have at most 64 Ki characters in all'],
    ['version: 2\njobs: {a: {steps: [{run: x}]}}', '1:10: version must be 1, the only version'],
    ['version: "1"\njobs: {a: {steps: [{run: x}]}}', '1:10: version must be 1'],
    ['jobs: {a: {steps: [{run: x}]}}', '1:1: the file has no version: it must be 1'],
    ['version: 1', '1:1: the file has no jobs: it must be a map of names to jobs'],
    ['version: 1\njobs: {}', '2:7: jobs must hold at least 1'],
    ['version: 1\njobs:', '2:1: jobs is empty: it must be a map of names to jobs'],
    ['version: 1\njobs: [a]', '2:7: jobs must be a map of names to jobs'],
    ['version: 1\njobs: {Test: {steps: [{run: x}]}}', '2:8: "Test" must be a name: 1 to 63 of a-z'],
    ['version: 1\njobs: {a: }', '2:8: job "a" is empty: it must be a job, a map with steps'],
    ['version: 1\njobs: {a: {}}', '2:8: job "a" has no steps: it must be a list of steps'],
    ['version: 1\njobs: {a: {steps: []}}', '2:19: steps must hold at least one step'],
    ['version: 1\njobs: {a: {steps: [npm ci]}}', '2:20: steps[0] must be a step such as { run: npm ci }'],
    ['version: 1\njobs: {a: {steps: [{name: x}]}}', '2:20: steps[0] has no run: it must be a script'],
    ['version: 1\njobs: {a: {steps: [{run: " "}]}}', '2:26: run must not be empty'],
    [
      'version: 1\njobs: {a: {steps: [{run: x, shell: "sh -c \'x\'"}]}}',
      '2:36: shell must be a program and its options',
    ],
  ])('$1', expectOnly);

  test.each(['CI', 'HOME', 'TZ', 'LANG', 'SOURCE_DATE_EPOCH', 'REPRISE', 'REPRISE_COMMIT', 'REPRISE_OWN'])(
    'env cannot set %s, which Reprise sets',
    (name) => expectOnly(atTop(`env: {${name}: x}`), `2:7: "${name}" is set by Reprise itself`),
  );

  test('env cannot set PATH, and says how to add to it', () => {
    expectOnly(
      inJob('env: {PATH: /opt/bin}'),
      '4:11: "PATH" cannot be set here; append a directory to the file $REPRISE_PATH',
    );
  });
});

describe('jobs, artifacts and inputs', () => {
  const file = (jobs: Record<string, object>) =>
    `version: 1\njobs:\n${Object.entries(jobs)
      .map(([name, job]) => `  ${name}: ${JSON.stringify({ steps: [{ run: 'x' }], ...job })}`)
      .join('\n')}`;
  const artifact = (name: string) => ({ artifact: { name, paths: 'x' } });

  test.each([
    [file({ test: {}, b: { needs: 'tset' } }), '4:37: there is no job "tset"; did you mean "test"?'],
    [file({ a: { needs: ['a'] } }), '3:29: these jobs wait for each other: a -> a'],
    [file({ a: { needs: ['b'] }, b: { needs: ['a'] } }), '3:29: these jobs wait for each other: a -> b -> a'],
    [
      file({ z: {}, a: { needs: ['z', 'b'] }, b: { needs: ['c'] }, c: { needs: ['d', 'b'] }, d: {} }),
      'these jobs wait for each other: b -> c -> b',
    ],
    [file({ a: artifact('x'), b: artifact('x') }), '4:48: artifact "x" is already made by job a'],
    [
      file({ a: { ...artifact('x'), artifacts: [{ name: 'y', paths: 'y' }] } }),
      '3:65: job "a" has both artifact and artifacts; keep one of them',
    ],
    [
      file({
        a: {
          artifacts: [
            { name: 'x', paths: 'x' },
            { name: 'x', paths: 'y' },
          ],
        },
      }),
      'artifact "x" is already made by job a',
    ],
    [
      file({ a: artifact('shop'), b: { needs: 'a', inputs: ['shp'] } }),
      'no job makes an artifact "shp"; did you mean "shop"?',
    ],
    [
      file({ a: artifact('x'), b: { inputs: 'x' } }),
      '4:38: x is made by job a, which is not needed; add needs: [a]',
    ],
    [file({ a: { ...artifact('x'), inputs: ['x'] } }), 'job "a" makes x itself'],
  ])('$1', expectOnly);

  test('an input may come from a job that is needed through others', () => {
    expect(problemsOf(file({ a: artifact('x'), b: { needs: 'a' }, c: { needs: 'b', inputs: 'x' } }))).toEqual(
      [],
    );
  });
});

describe('environments', () => {
  test.each([
    [inPlace('path: srv/a'), '4:11: path must be an absolute path'],
    [inPlace('path: /srv/../etc'), '4:11: path must be an absolute path'],
    [inPlace('path: /'), '4:11: path must be an absolute path'],
    [inPlace('path: "/srv/a b"'), '4:11: path must be an absolute path'],
    [inPlace('path: /srv/$(id)'), '4:11: path must be an absolute path'],
    [inPlace('hosts: []'), '4:12: hosts must not be an empty list'],
    [inPlace('keep: 0'), '4:11: keep must be a whole number from 1 to 100'],
    [inPlace('shared: [/etc/passwd]'), '4:14: shared[0] must be relative'],
    [inPlace('prepare: [{run: x, on: last}]'), '4:28: on must be first or all'],
    [inPlace('health: {timeout: 5s}'), '4:5: health must have either http or run'],
    [inPlace('health: {http: "http://a/", run: x}'), '4:5: health must have either http or run'],
    [inPlace('health: {http: "file:///etc/passwd"}'), '4:20: http must be an http or https address'],
    [inPlace('approvals: -1'), '4:16: approvals must be a whole number from 0 to 10'],
    [inPlace('batch: 2'), '4:12: batch is 2, but there is only 1 host'],
    [inPlace('branches: ["a["]'), '4:16: branches[0] has a [ that is never closed'],
    [inPlace('reproducible: yes'), '4:19: reproducible must be required, or be left out'],
    [
      inPlace('freeze: {from: 2026-12-24T00:00Z}'),
      '4:13: a freeze must have either from and to, or cron and duration',
    ],
    [
      inPlace('freeze: [{cron: "0 0 * * *", duration: 1h, to: 2026-12-24T00:00Z}]'),
      '4:14: a freeze must have either from and to',
    ],
    [
      inPlace('freeze: {from: 2026-12-24, to: 2026-12-25T00:00Z}'),
      '4:20: from must be a moment in UTC such as',
    ],
    [
      inPlace('freeze: {from: 2026-02-30T00:00Z, to: 2026-12-25T00:00Z}'),
      '4:20: from must be a moment in UTC',
    ],
    [
      inPlace('freeze: {from: 2026-12-24T00:00Z, to: 2026-12-24T00:00Z}'),
      '4:43: a freeze must end after it begins',
    ],
    [inPlace('freeze: {cron: "0 0 0 * * *", duration: 1h}'), '4:20: cron must be five fields'],
    [inPlace('freeze: {crom: "0 0 * * *"}'), '4:14: "crom" is not known in environments.e.freeze; did you'],
    [inPlace('haproxy: {socket: "lb:9999", backend: b}'), '4:23: socket must be tcp://host:port'],
    [inPlace('haproxy: {socket: "tcp://lb", backend: b}'), '4:23: socket must be tcp://host:port'],
    [inPlace('haproxy: {socket: /run/../x, backend: b}'), '4:23: socket must be tcp://host:port'],
    [inPlace('haproxy: {socket: /run/x}'), '4:5: haproxy has no backend'],
    [inPlace('haproxy: {socket: /run/x, backend: "b; quit"}'), "4:40: backend must be a backend's name"],
    [inPlace('haproxy: {socket: /run/x, backend: b, server: "{user}"}'), '4:51: server must be of letters'],
    [
      inPlace('hosts: [a@web1.x, a@web1.y]', 'haproxy: {socket: /run/x, backend: b}'),
      '5:5: two hosts would both be HAProxy\'s server "web1"',
    ],
    [inPlace('secrets: [A-B]'), '4:15: secrets[0] must be the name of a secret'],
    [inPlace('secrets: PATH'), '4:14: secrets must be the name of a secret'],
    [inPlace('secrets: [REPRISE_X]'), '4:15: secrets[0] must be the name of a secret'],
    [inPlace('jump: bastion'), '4:11: jump must be user@host'],
    [inPlace('jump: -oProxyCommand=id@x'), '4:11: jump must be user@host'],
    [inPlace('requires: f'), '4:15: there is no environment "f"'],
    [inPlace('requires: e'), '4:5: these environments wait for each other: e -> e'],
  ])('$1', expectOnly);

  test.each(['local', 'deploy@web1', 'deploy@web-1.example:2222', 'a_b@10.0.0.1', 'root@[2001:db8::1]:22'])(
    'host %s is one',
    (host) => expect(problemsOf(inPlace(`hosts: ["${host}"]`))).toEqual([]),
  );
  test.each([
    'web1',
    '-oProxyCommand=x@web1',
    'deploy@-oProxyCommand=x',
    'deploy@web1:0',
    'deploy@web1:65536',
    'deploy@web1:22:22',
    'deploy@a..b',
    'deploy@web1 -v',
    'deploy@$(id)',
    'a@b@c',
    '@web1',
    'ssh://deploy@web1',
  ])('host %s is none', (host) => {
    expectOnly(inPlace(`hosts: ["${host}"]`), '4:13: hosts[0] must be local, or user@host');
  });
});

describe('expressions', () => {
  test('a script that holds one is told the variable, at the line where it stands', () => {
    const text =
      'version: 1\njobs:\n  a:\n    steps:\n      - run: |\n          make\n          echo ${{ build.branch }}\n';
    expectOnly(text, '7:16: ${{ … }} is never replaced inside a script');
    expectOnly(text, 'write "$REPRISE_BRANCH" instead');
  });

  test.each([
    [inPlace('restart: reload ${{ build.tag }}'), '4:21: ${{ … }} is never replaced inside a script'],
    [
      atTop('env: {A: "x ${{ build.comit }}"}'),
      '2:13: ${{ build.comit }}: there is no build fact "build.comit"; did you mean "build.commit"?',
    ],
    [
      atTop('env: {A: "${{ github.sha }}"}'),
      'there is no build fact "github.sha"; there are build.project, ',
    ],
    [
      atTop('env: {A: "${{ secrets.KEY }}"}'),
      'a secret is a variable of the steps that name it: secrets: [KEY]',
    ],
    [atTop('env: {A: "a ${{ build.commit"}'), '2:13: an expression is one build fact between ${{ and }}'],
    [
      inJob('artifact: {name: a, paths: "${{ build.tag }}"}'),
      '4:33: expressions can only stand in the names of jobs and steps',
    ],
    [atTop('app: {owner: "${{ build.tag }}"}'), 'expressions can only stand in the names of jobs and steps'],
  ])('$1', expectOnly);
});

describe('YAML', () => {
  test.each([
    ['', '1:1: the file is empty: begin with "version: 1" and add jobs'],
    ['# nothing\n', '1:1: the file is empty'],
    ['just text', '1:1: the file must be a map that begins with "version: 1" and has jobs'],
    ['version: 1\n---\nversion: 1', '2:1: a pipeline file holds one YAML document'],
    [atTop('env: {A: !secret x}'), 'YAML tags are not understood here'],
    [atTop('env: echo "a": b'), '2:6: this is not valid YAML: a text that holds ": " must stand in quotes'],
    [atTop('env: *env'), '2:6: there is no &env before this *env'],
  ])('$1', expectOnly);

  test('a tab as indentation is named', () => {
    expect(problemsOf('version: 1\njobs:\n\ta: 1')).toContainEqual(
      expect.stringMatching(/^3:1: .*spaces, not with tabs/),
    );
  });

  test('bytes that are no UTF-8 are refused', () => {
    const { problems } = parsePipeline(Buffer.from([0x61, 0xff]));
    expect(problems).toEqual([{ line: 1, column: 1, message: 'the file is not UTF-8 text' }]);
  });
});

test('all problems are reported together, in the order of the file', () => {
  const places = problemsOf('version: 3\nenvs: {}\njobs: {a: {timeout: 5, steps: [{rum: x}]}}').map((line) =>
    line.slice(0, 5),
  );
  expect(places).toEqual(['1:10:', '2:1: ', '3:21:', '3:32:', '3:33:']);
});

test('no more than fifty problems are reported, and then that there are more', () => {
  const problems = problemsOf(`version: 1\n${Array.from({ length: 200 }, (_, n) => `k${n}: 1`).join('\n')}`);
  expect(problems).toHaveLength(51);
  expect(problems.at(-1)).toContain('there are more problems');
});

test('what a message quotes can neither steer a terminal nor fill a page', () => {
  const [problem = ''] = problemsOf(atTop(`env: {A: "\${{ \\e[31m${'x'.repeat(5000)} }}"}`));
  expect(problem).not.toContain('\u001b');
  expect(problem.length).toBeLessThan(450);
});
