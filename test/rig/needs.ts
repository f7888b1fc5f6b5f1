import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { beforeEach, expect } from 'vitest';

/** Which programs the tests of a folder drive. Without them they are skipped by name; under CI they fail. */
const NEEDS: [RegExp, string[]][] = [
  [
    /\/(scenarios|faults|integration\/(sandbox|runner))\//,
    ['git', 'bwrap', 'slirp4netns', 'ip', 'setpriv', 'nsenter'],
  ],
  [/\/e2e\//, ['git', 'bwrap', 'slirp4netns', 'ip', 'chromium']],
  [/\/scenarios\/reproducible/, ['faketime', 'npm']],
  [/\/faults\/clock/, ['faketime']],
  [/\/(integration\/git|scenarios\/private)/, ['git', 'ssh', 'ssh-keygen', '/usr/sbin/sshd']],
  [
    /\/(integration\/deploy|scenarios\/promote-ssh)/,
    [
      'ssh',
      'ssh-keygen',
      '/usr/sbin/sshd',
      'unshare',
      'mount',
      'cap',
      'haproxy',
      'busybox',
      'curl',
      'openssl',
    ],
  ],
  [
    /\/(contract\/(blobs|logs)|integration\/storage|scenarios\/on-s3)/,
    ['/usr/bin/python3', '/usr/lib/python3/dist-packages/swift/common/wsgi.py'],
  ],
  [/\/(contract\/(wake|background|live)|integration\/servers)/, ['redis-server', 'setpriv']],
  [
    /\/(scenarios\/several-servers|faults\/(storm|clocks))/,
    ['haproxy', 'redis-server', '/usr/bin/python3', '/usr/lib/python3/dist-packages/swift/common/wsgi.py'],
  ],
  [
    /\/(contract\/records|integration\/db|scenarios\/(migrate-engine|several-servers)|faults\/(storm|clocks))/,
    ['/usr/lib/postgresql', 'setpriv'],
  ],
  [/\/integration\//, ['git']],
];

const file = expect.getState().testPath ?? '';
const needed = NEEDS.flatMap(([pattern, programs]) => (pattern.test(file) ? programs : []));
const missing = [...new Set(needed)].filter((program) => !isInstalled(program));

if (missing.length > 0 && process.env['CI'] === 'true') {
  throw new Error(`These tests need ${missing.join(', ')}: run ./test/run, which installs it.`);
}

beforeEach(({ skip }) => {
  skip(missing.length > 0, `needs ${missing.join(', ')}`);
});

function isInstalled(program: string): boolean {
  if (program.startsWith('/')) return existsSync(program);
  return spawnSync('sh', ['-c', 'command -v "$0"', program], { stdio: 'ignore' }).status === 0;
}
