import { type GithubEvent, readEvent, type Trigger } from '@reprise/server/webhooks/event.ts';
import { describe, expect, test } from 'vitest';
import { examples } from '../../../rig/github-examples.ts';

const ZEROS = '0'.repeat(40);
const COMMIT = '1'.repeat(40);
const TAG_OBJECT = '2'.repeat(40);
const BEFORE = '3'.repeat(40);

const push = {
  ref: 'refs/heads/main',
  before: BEFORE,
  after: COMMIT,
  deleted: false,
  forced: false,
  commits: [{ id: COMMIT, added: ['a'], removed: ['b'], modified: ['c', 'a'] }],
  head_commit: { id: COMMIT, message: 'Do it', author: { name: 'Ada', email: 'ada@example.test' } },
  repository: { id: 1, full_name: 'Octo/Shop' },
  pusher: { name: 'ada' },
  sender: { login: 'ada-lovelace' },
};

const fromFork = {
  action: 'opened',
  number: 7,
  pull_request: {
    title: 'Please take this',
    head: { ref: 'better', sha: COMMIT, repo: { id: 2 } },
    base: { ref: 'main', sha: BEFORE, repo: { id: 1 } },
  },
  repository: { id: 1, full_name: 'octo/shop' },
  sender: { login: 'stranger' },
};

describe('a push', () => {
  test('to a branch builds its head commit and knows every changed path', () => {
    expect(triggerOf('push', push)).toEqual({
      kind: 'push',
      commit: COMMIT,
      ref: 'refs/heads/main',
      branch: 'main',
      tag: null,
      pullRequest: null,
      message: 'Do it',
      authorName: 'Ada',
      authorEmail: 'ada@example.test',
      by: 'ada-lovelace',
      changes: { since: BEFORE, paths: ['a', 'b', 'c'] },
    });
  });

  test('of an annotated tag builds the commit that the tag object points at', () => {
    const trigger = triggerOf('push', { ...push, ref: 'refs/tags/v1.2', after: TAG_OBJECT, commits: [] });
    expect(trigger).toMatchObject({ kind: 'tag', commit: COMMIT, tag: 'v1.2', branch: null, changes: null });
  });

  test.each([
    ['that is forced', { forced: true }, { since: BEFORE, paths: null }],
    ['of a new branch', { before: ZEROS, created: true }, { since: null, paths: null }],
    ['without commits', { commits: [] }, { since: BEFORE, paths: null }],
    ['with commits cut off', { commits: Array(2048).fill(push.commits[0]) }, { since: BEFORE, paths: null }],
    ['of very many files', { commits: [{ added: numbered(1001) }] }, { since: BEFORE, paths: null }],
    ['of as many files as are kept', { commits: [{ added: numbered(1000) }] }, { paths: numbered(1000) }],
  ])('%s leaves the changed paths to the mirror where it cannot know them', (_, change, changes) => {
    expect(triggerOf('push', { ...push, ...change }).changes).toMatchObject(changes);
  });

  test.each([
    ['a deleted branch', { deleted: true, after: ZEROS, head_commit: null }, 'refs/heads/main was deleted'],
    ['a ref that is neither branch nor tag', { ref: 'refs/notes/commits' }, 'neither a branch nor a tag'],
    ['a tag of a file', { ref: 'refs/tags/blob', head_commit: null }, 'does not point at a commit'],
  ])('of %s builds nothing and says why', (_, change, why) => {
    expect(ignoredOf('push', { ...push, ...change })).toContain(why);
  });

  test('is named after its pusher where no sender is given', () => {
    expect(triggerOf('push', { ...push, sender: undefined }).by).toBe('ada');
  });

  test('keeps hostile text as it is, cut at 64 KiB of whole characters', () => {
    const message = `\u0000\u202e$(touch x)\u001b[2J<script>${'😀'.repeat(20_000)}`;
    const kept = triggerOf('push', { ...push, head_commit: { ...push.head_commit, message } }).message;
    expect(message.startsWith(kept)).toBe(true);
    expect(Buffer.byteLength(kept)).toBeGreaterThan(64 * 1024 - 4);
    expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(64 * 1024);
    expect(kept.isWellFormed()).toBe(true);
  });
});

describe('a pull request', () => {
  test('from a fork builds its head by the pull request ref, for the base branch', () => {
    expect(triggerOf('pull_request', fromFork)).toEqual({
      kind: 'pull_request',
      commit: COMMIT,
      ref: 'refs/pull/7/head',
      branch: null,
      tag: null,
      pullRequest: { number: 7, fork: true, head: 'better', base: 'main' },
      message: 'Please take this',
      authorName: '',
      authorEmail: '',
      by: 'stranger',
      changes: { since: BEFORE, paths: null },
    });
  });

  test('from a fork that is gone is a fork all the same', () => {
    const { pull_request: pr } = fromFork;
    const gone = { ...fromFork, pull_request: { ...pr, head: { ...pr.head, repo: null } } };
    expect(triggerOf('pull_request', gone).pullRequest?.fork).toBe(true);
  });

  test('from the same repository is left to its push', () => {
    const { pull_request: pr } = fromFork;
    const own = { ...fromFork, pull_request: { ...pr, head: { ...pr.head, repo: { id: 1 } } } };
    expect(ignoredOf('pull_request', own)).toBe(
      'Pull request 7 is from this repository: its push is what is built.',
    );
  });

  test.each(['opened', 'synchronize', 'reopened'])('that is %s brings a commit to build', (action) => {
    expect(triggerOf('pull_request', { ...fromFork, action }).commit).toBe(COMMIT);
  });

  test.each(['closed', 'labeled', 'ready_for_review', 'edited'])('that is %s builds nothing', (action) => {
    expect(ignoredOf('pull_request', { ...fromFork, action })).toContain(action);
  });
});

test.each([
  ['push', { ...push, after: 'HEAD' }, 'after'],
  ['push', { ...push, repository: {} }, 'repository.full_name'],
  ['push', { ...push, head_commit: { ...push.head_commit, id: 'x' } }, 'head_commit.id'],
  ['pull_request', { ...fromFork, number: '7; rm' }, 'number'],
  ['push', 'text', 'payload'],
  ['watch', null, 'payload'],
])('a malformed %s names the field: %#', (name, payload, field) => {
  expect(readEvent(name, payload).problems.map((problem) => problem.field)).toContain(field);
});

describe("every example payload of GitHub's own collection", () => {
  const all = examples.flatMap((event) => event.examples.map((payload) => ({ name: event.name, payload })));

  test('is read without a problem', () => {
    expect(all.length).toBeGreaterThan(150);
    for (const { name, payload } of all) expect(readEvent(name, payload).problems, name).toEqual([]);
  });

  test('starts a build only where it is a push that leaves something', () => {
    const builds = all.filter(({ name, payload }) => 'trigger' in eventOf(name, payload).outcome);
    expect(builds.map(({ name }) => name)).toEqual(['push', 'push', 'push']);
    expect(builds.map(({ payload }) => (payload as typeof push).ref)).toEqual([
      'refs/tags/simple-tag',
      'refs/heads/master',
      'refs/heads/master',
    ]);
  });
});

function eventOf(name: string, payload: unknown): GithubEvent {
  const { event, problems } = readEvent(name, payload);
  if (!event) throw new Error(JSON.stringify(problems));
  return event;
}

function triggerOf(name: string, payload: unknown): Trigger {
  const { outcome } = eventOf(name, payload);
  if ('ignored' in outcome) throw new Error(`ignored: ${outcome.ignored}`);
  return outcome.trigger;
}

function ignoredOf(name: string, payload: unknown): string {
  const { outcome } = eventOf(name, payload);
  if ('trigger' in outcome) throw new Error('builds');
  return outcome.ignored;
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `file-${at}`);
}
