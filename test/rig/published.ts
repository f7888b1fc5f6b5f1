import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** Downloads a published package's tarball from the registry and unpacks it: its files, without the top folder. */
export function fetchPublished(name: string, version: string, into: string): void {
  mkdirSync(into, { recursive: true });
  const packed = execFileSync('npm', ['pack', '--silent', '--ignore-scripts', `${name}@${version}`], {
    cwd: into,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const tarball = join(into, packed.trim().split('\n').at(-1) ?? '');
  execFileSync('tar', ['-xzf', tarball, '-C', into, '--strip-components=1', '--no-same-owner']);
  execFileSync('rm', [tarball]);
}
