import { z } from 'zod';
import { cutText } from './cut-text.ts';

/** Which files an event changed, as far as its payload says. */
export interface Changes {
  /** What to compare the commit with: the push's `before` or the pull request's base; null where there is nothing. */
  since: string | null;
  /** Every changed path; null where the payload does not list them all, so that the mirror must be asked. */
  paths: string[] | null;
}

/** What a delivery asks to be built: everything that its build's row needs, so that it can be built again later. */
export interface Trigger {
  kind: 'push' | 'tag' | 'pull_request';
  /** Full object name of the commit, never of a tag object. */
  commit: string;
  ref: string;
  branch: string | null;
  tag: string | null;
  /** `head` and `base` are branch names, the first one of the fork. */
  pullRequest: { number: number; fork: boolean; head: string; base: string } | null;
  message: string;
  authorName: string;
  authorEmail: string;
  by: string;
  /** null: nothing to filter by (a tag). */
  changes: Changes | null;
}

/** An event as its delivery is recorded, and what to make of it: a build, or nothing, with a sentence that says why. */
export interface GithubEvent {
  name: string;
  action: string | null;
  /** `owner/name`; null for events of an organisation or an app. */
  repository: string | null;
  ref: string | null;
  before: string | null;
  after: string | null;
  sender: string | null;
  outcome: { trigger: Trigger } | { ignored: string };
}

export interface FieldProblem {
  field: string;
  message: string;
}

/**
 * Reads a payload of the event `name` (`X-GitHub-Event`). Shapes: docs.github.com, "Webhook events and payloads".
 * All text is kept verbatim up to 64 KiB. A payload that is not what GitHub sends is data, too: its problems by field.
 */
export function readEvent(
  name: string,
  payload: unknown,
): { event: GithubEvent; problems: [] } | { event: null; problems: FieldProblem[] } {
  switch (name) {
    case 'push':
      return checked(push, payload, readPush);
    case 'pull_request':
      return checked(pullRequest, payload, readPullRequest);
    default:
      return checked(anything, payload, (seen) => readOther(name, seen));
  }
}

const NOTHING = '0'.repeat(40);

/** GitHub lists at most this many commits in a push; with as many, some may be missing. */
const MOST_COMMITS = 2048;
/** More changed paths than this are not stored with the build: the mirror lists them when it is planned. */
const MOST_PATHS = 1000;

const text = z.string().transform(cutText);
const sha = z.string().regex(/^[0-9a-f]{40}$/, 'must be a full object name of 40 hexadecimal digits');
const paths = z.array(z.string()).default([]);
const sender = z.object({ login: text }).nullish();
const repository = z.object({ full_name: text });

const anything = z.object({
  action: text.nullish(),
  repository: repository.nullish(),
  sender,
  ref: text.nullish(),
});

const push = z.object({
  ref: text,
  before: sha,
  after: sha,
  deleted: z.boolean().default(false),
  forced: z.boolean().default(false),
  commits: z
    .array(z.object({ added: paths, removed: paths, modified: paths }))
    .nullish()
    .transform((commits) => commits ?? []),
  head_commit: z
    .object({ id: sha, message: text, author: z.object({ name: text, email: text.nullish() }) })
    .nullish(),
  repository,
  pusher: z.object({ name: text }).nullish(),
  sender,
});

const pullRequest = z.object({
  action: text,
  number: z.number().int().positive(),
  before: sha.nullish(),
  pull_request: z.object({
    title: text,
    head: z.object({ ref: text, sha, repo: z.object({ id: z.number() }).nullish() }),
    base: z.object({ ref: text, sha, repo: z.object({ id: z.number() }) }),
  }),
  repository,
  sender,
});

function checked<Schema extends z.ZodType>(
  schema: Schema,
  payload: unknown,
  read: (seen: z.output<Schema>) => GithubEvent,
): ReturnType<typeof readEvent> {
  const result = schema.safeParse(payload);
  if (result.success) return { event: read(result.data), problems: [] };
  const problems = result.error.issues.map(({ path, message }) => ({
    field: path.length > 0 ? path.join('.') : 'payload',
    message,
  }));
  return { event: null, problems };
}

function readPush(seen: z.output<typeof push>): GithubEvent {
  const { ref, before, after } = seen;
  return {
    name: 'push',
    action: null,
    repository: seen.repository.full_name,
    ref,
    before,
    after,
    sender: seen.sender?.login ?? seen.pusher?.name ?? null,
    outcome: outcomeOfPush(seen),
  };
}

function outcomeOfPush(seen: z.output<typeof push>): GithubEvent['outcome'] {
  const { ref, after, head_commit: head } = seen;
  const branch = /^refs\/heads\/(.+)$/s.exec(ref)?.[1] ?? null;
  const tag = /^refs\/tags\/(.+)$/s.exec(ref)?.[1] ?? null;
  if (seen.deleted || after === NOTHING) return { ignored: `${ref} was deleted: there is nothing to build.` };
  if (branch === null && tag === null) return { ignored: `${ref} is neither a branch nor a tag.` };
  // `after` of an annotated tag is the tag object; only the head commit names what it points at.
  if (tag !== null && !head) return { ignored: `The tag ${tag} does not point at a commit.` };
  return {
    trigger: {
      kind: tag === null ? 'push' : 'tag',
      commit: head?.id ?? after,
      ref,
      branch,
      tag,
      pullRequest: null,
      message: head?.message ?? '',
      authorName: head?.author.name ?? '',
      authorEmail: head?.author.email ?? '',
      by: seen.sender?.login ?? seen.pusher?.name ?? 'GitHub',
      changes: tag === null ? changesOf(seen) : null,
    },
  };
}

/** The commits' own lists say everything only for a plain, not too long push on top of a known commit. */
function changesOf({ before, forced, commits }: z.output<typeof push>): Changes {
  if (before === NOTHING) return { since: null, paths: null };
  if (forced || commits.length === 0 || commits.length >= MOST_COMMITS) return { since: before, paths: null };
  const changed = new Set(
    commits.flatMap(({ added, removed, modified }) => [...added, ...removed, ...modified]),
  );
  return { since: before, paths: changed.size > MOST_PATHS ? null : [...changed] };
}

const PULL_REQUEST_ACTIONS = ['opened', 'synchronize', 'reopened'];

function readPullRequest(seen: z.output<typeof pullRequest>): GithubEvent {
  const { base, head } = seen.pull_request;
  return {
    name: 'pull_request',
    action: seen.action,
    repository: seen.repository.full_name,
    ref: `refs/pull/${seen.number}/head`,
    before: seen.before ?? base.sha,
    after: head.sha,
    sender: seen.sender?.login ?? null,
    outcome: outcomeOfPullRequest(seen),
  };
}

function outcomeOfPullRequest(seen: z.output<typeof pullRequest>): GithubEvent['outcome'] {
  const { base, head, title } = seen.pull_request;
  if (!PULL_REQUEST_ACTIONS.includes(seen.action)) {
    return { ignored: `A pull request that is ${seen.action} brings no new commit.` };
  }
  // The fork may be gone already (null): then it certainly is not this repository.
  const isFork = head.repo?.id !== base.repo.id;
  if (!isFork) {
    return { ignored: `Pull request ${seen.number} is from this repository: its push is what is built.` };
  }
  return {
    trigger: {
      kind: 'pull_request',
      commit: head.sha,
      ref: `refs/pull/${seen.number}/head`,
      branch: null,
      tag: null,
      pullRequest: { number: seen.number, fork: true, head: head.ref, base: base.ref },
      message: title,
      // The payload names who opened it, not who wrote the commit: planning reads that from the commit.
      authorName: '',
      authorEmail: '',
      by: seen.sender?.login ?? 'GitHub',
      changes: { since: base.sha, paths: null },
    },
  };
}

function readOther(name: string, seen: z.output<typeof anything>): GithubEvent {
  return {
    name,
    action: seen.action ?? null,
    repository: seen.repository?.full_name ?? null,
    ref: seen.ref ?? null,
    before: null,
    after: null,
    sender: seen.sender?.login ?? null,
    outcome: { ignored: whyIgnored(name) },
  };
}

function whyIgnored(name: string): string {
  switch (name) {
    case 'ping':
      return 'The ping arrived: this webhook works.';
    case 'create':
      return 'A new branch or tag is built from its push.';
    case 'delete':
      return 'A branch or tag was deleted: there is nothing to build.';
    default:
      return `The event ${name} starts no builds.`;
  }
}
