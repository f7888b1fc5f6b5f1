// biome-ignore-all lint/suspicious/noTemplateCurlyInString: shells see these, not JavaScript
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { LOCAL_READER, programBytes, quote, READER } from '@reprise/runner/deploy/scripts/program.ts';
import { findProgram } from '@reprise/runner/process.ts';
import { describe, expect, test } from 'vitest';
import { tempDir } from '../../../rig/temp.ts';

/** What people and repositories may call things. `CANARY` is a file that no shell may make. */
const HOSTILE = [
  "it's",
  "'; touch CANARY; '",
  "'\\''; touch CANARY #",
  '$(touch CANARY)',
  '`touch CANARY`',
  '${IFS}touch${IFS}CANARY',
  '"; touch CANARY; "',
  '\\',
  "\\'; touch CANARY; \\'",
  'a\nb\ntouch CANARY\n',
  '\r\ntouch CANARY',
  '\ntouch CANARY\nend=\n',
  '| touch CANARY',
  '&& touch CANARY',
  '> CANARY',
  '-oProxyCommand=touch CANARY',
  '--',
  '~root',
  '*',
  '!!',
  '#',
  '%s\\n%n',
  '\u0001\u001b[31m\u007f',
  'é 漢 \u{1f600} \u202e',
  '',
  ' ',
  'x'.repeat(100_000),
];

const STOP = Buffer.from('stop\n');

const SHELLS = [['/bin/sh'], ['bash'], ['bash', '--posix'], ['busybox', 'sh']].filter(([name = '']) =>
  name.startsWith('/') ? existsSync(name) : findProgram(name) !== null,
);

test('there is one command line for hosts, and nothing is ever put into it', () => {
  expect(READER).toBe(`exec sh -c '${LOCAL_READER}'`);
  expect(LOCAL_READER).not.toContain("'");
});

describe.each(SHELLS.map((words) => [words.join(' '), words] as const))('%s', (_, words) => {
  test('every value arrives as it is, as a variable, as a word, for a command, and as input', () => {
    using dir = tempDir();
    const said = run(words, dir.path, {
      values: Object.fromEntries(HOSTILE.map((value, index) => [`v${index}`, value])),
      exported: Object.fromEntries(HOSTILE.map((value, index) => [`E${index}`, value])),
      words: HOSTILE,
      body: [
        ...HOSTILE.map((_, index) => `printf '%s\\0' "$v${index}" >&3`),
        'for word do printf "%s\\0" "$word" >&3; done',
        `( exports; exec env -0 ) >&3`,
        'printf "input=" >&3; cat >&3; printf "\\0" >&3',
      ].join('\n'),
      input: 'bytes behind the program\nread\n',
    });
    expect(said.slice(0, HOSTILE.length)).toEqual(HOSTILE);
    expect(said.slice(HOSTILE.length, 2 * HOSTILE.length)).toEqual(HOSTILE);
    for (const [index, value] of HOSTILE.entries()) expect(said).toContain(`E${index}=${value}`);
    expect(said.at(-2)).toBe('input=bytes behind the program\nread\n');
    expect(said.at(-1)).toBe('end=');
    expect(existsSync(dir.join('CANARY'))).toBe(false);
  });

  test('variables for commands are not those of the program', () => {
    using dir = tempDir();
    const said = run(words, dir.path, {
      values: { path: '/srv/shop' },
      exported: { path: '/elsewhere' },
      body: `( exports; env | sed -n 's/^path=/seen=/p' | tr '\\n' '\\0' ) >&3\nsay "path=$path"`,
      input: '',
    });
    expect(said).toEqual(['seen=/elsewhere', 'path=/srv/shop', 'end=']);
  });

  test('programs run one after the other, whatever one of them does; a late stop is for nobody', () => {
    const programs = ['path=/x; cd /; exit 3', 'fail no', 'say "path=$path in $PWD"'].map((body) =>
      programBytes({ values: { root: '' }, body }, 'mark'),
    );
    using dir = tempDir();
    const { stdout, stderr } = read(words, dir.path, Buffer.concat(programs.flatMap((one) => [one, STOP])));
    const said = ['mark', 'mark', 'fail=no', 'end=', 'mark', `path= in ${dir.path}`, 'end=', ''];
    expect([stdout, stderr]).toEqual([said.join('\0'), '\0mark\0mark']);
  });

  test('of a program that arrives in part, nothing is run', () => {
    using dir = tempDir();
    const whole = programBytes({ values: { root: '' }, body: 'touch ran\n:\n: after' }, 'mark');
    for (const length of [whole.length - 1, whole.indexOf('after'), whole.indexOf('ran') + 4])
      expect(read(words, dir.path, whole.subarray(0, length)).stdout).toBe('');
    expect(existsSync(dir.join('ran'))).toBe(false);
    read(words, dir.path, whole);
    expect(existsSync(dir.join('ran'))).toBe(true);
  });
});

test('a NUL is refused, which no shell could hold, and so is a name that is none', () => {
  expect(() => quote('a\0b')).toThrow('contains a NUL');
  expect(() => programBytes({ values: { 'a;b': '' }, body: '' }, 'm')).toThrow('no name of a variable');
  expect(() => programBytes({ values: {}, exported: { 'A B': '' }, body: '' }, 'm')).toThrow('no name');
});

function run(
  words: readonly string[],
  cwd: string,
  { input, ...program }: Parameters<typeof programBytes>[0] & { input: string },
): string[] {
  const bytes = programBytes({ ...program, values: { root: '', ...program.values } }, 'mark');
  const { stdout, stderr } = read(words, cwd, Buffer.concat([bytes, Buffer.from(input)]));
  expect(stderr).toBe('\0mark');
  const [mark, ...said] = stdout.split('\0').slice(0, -1);
  expect(mark).toBe('mark');
  return said;
}

function read([shell = '', ...words]: readonly string[], cwd: string, input: Buffer) {
  const options = { cwd, input, maxBuffer: 64 * 1024 * 1024, encoding: 'utf8' } as const;
  return spawnSync(shell, [...words, '-c', LOCAL_READER], options);
}
