import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A real git repository for a test to push to, made by the git on this machine. */
export interface TestRepository {
  path: string;
  /** Runs git in it, returns trimmed standard output. */
  git(...args: string[]): string;
  /** Writes files (null removes one) and commits them; returns the commit's full object name. */
  commit(message: string, files: Record<string, string | null>): string;
}

/** Time of the first commit, one more minute each: the same files give the same commits. */
const FIRST_COMMIT = Date.UTC(2026, 0, 1) / 1000;

export function makeRepository(path: string): TestRepository {
  let commits = 0;
  const git = (...args: string[]) => {
    const date = `${FIRST_COMMIT + commits * 60} +0000`;
    const env = {
      PATH: process.env['PATH'],
      HOME: path,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'Ada Example',
      GIT_AUTHOR_EMAIL: 'ada@example.test',
      GIT_AUTHOR_DATE: date,
      GIT_COMMITTER_NAME: 'Ada Example',
      GIT_COMMITTER_EMAIL: 'ada@example.test',
      GIT_COMMITTER_DATE: date,
    };
    return execFileSync('git', args, {
      cwd: path,
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  };
  mkdirSync(path, { recursive: true });
  git('init', '--quiet', '--initial-branch=main');
  return {
    path,
    git,
    commit(message, files) {
      for (const [name, content] of Object.entries(files)) {
        const file = join(path, name);
        if (content === null) {
          rmSync(file);
          continue;
        }
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, content);
      }
      git('add', '--all');
      git('commit', '--quiet', '--allow-empty', '--message', message);
      commits += 1;
      return git('rev-parse', 'HEAD');
    },
  };
}
