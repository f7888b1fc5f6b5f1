import { z } from 'zod';
import { iso } from '../api.ts';
import type { Project } from '../db/schema.ts';
import { MirrorFault } from '../git/fault.ts';
import { Refusal } from '../http/refusal.ts';
import { type Route, route } from '../http/route.ts';
import type { Services } from '../services.ts';
import { commitsSchema, refsSchema } from './project.api.ts';
import { buildsOfCommits, projectNamed } from './project.store.ts';

/** A person waits: this long for the first clone, and where there is something older to show, so long for news. */
const FIRST_FETCH_MS = 30_000;
const NEWS_MS = 10_000;
/** Somebody who types a query asks again with each letter. */
const FRESH_FOR_MS = 15_000;

const params = z.object({ project: z.string() });
const limit = z.coerce.number().int().min(1).max(200).default(50);
const query = z
  .string()
  .max(256)
  .default('')
  .describe('Part of a name, subject or author, or the beginning of a sha.');

/** What "build any commit" picks from. Where the upstream cannot be asked, what was last fetched is answered, and why. */
export function historyRoutes(services: Services): Route[] {
  const { mirrors, reader } = services;
  return [
    route({
      method: 'get',
      path: '/api/projects/:project/refs',
      policy: 'viewer',
      summary: 'Branches and tags, newest first, with the builds of their commits.',
      params,
      query: z.object({ query, limit }),
      answer: refsSchema,
      async handle({ params: { project: name }, query, signal }) {
        const project = await projectNamed(reader, name);
        const stale = await askUpstream(services, project, signal);
        const refs = await mirrors.refs(project, query);
        const builds = await buildsOfCommits(
          reader,
          project.id,
          refs.map(({ sha }) => sha),
        );
        const items = refs.map(({ sha, time, ...ref }) => {
          return { ...ref, commit: sha, at: iso(time * 1000), builds: builds.get(sha) ?? [] };
        });
        return { items, next: null, stale };
      },
    }),
    route({
      method: 'get',
      path: '/api/projects/:project/commits',
      policy: 'viewer',
      summary: 'Commits that lead to a ref, or all that a query finds, newest first, with their builds.',
      params,
      query: z.object({
        ref: z
          .string()
          .max(1024)
          .optional()
          .describe('Unless given: the default branch, or with a query every branch and tag.'),
        query,
        before: z.string().max(64).optional().describe('The `next` of the page before.'),
        limit,
      }),
      answer: commitsSchema,
      async handle({ params: { project: name }, query: { ref, before, ...query }, signal }) {
        const project = await projectNamed(reader, name);
        const stale = await askUpstream(services, project, signal);
        const start = ref ?? (query.query.trim() === '' ? await defaultBranch(services, project) : null);
        const found = await mirrors.commits(project, { ref: start, before: before ?? null, ...query });
        if (!found && ref !== undefined) throw await unknownRef(services, project, ref);
        if (!found) return { items: [], next: null, stale };
        const builds = await buildsOfCommits(
          reader,
          project.id,
          found.items.map(({ sha }) => sha),
        );
        const items = found.items.map(({ time, ...commit }) => ({
          ...commit,
          at: iso(time * 1000),
          builds: builds.get(commit.sha) ?? [],
        }));
        return { items, next: found.next, stale };
      },
    }),
  ];
}

/** null: the mirror is up to date. Else why it is not; refused where there is nothing to show at all. */
async function askUpstream(
  { mirrors }: Services,
  project: Project,
  signal: AbortSignal,
): Promise<string | null> {
  const isEmpty = await mirrors.isEmpty(project);
  const timeoutMs = isEmpty ? FIRST_FETCH_MS : NEWS_MS;
  try {
    await mirrors.fetch(project, { signal, timeoutMs, maxAgeMs: FRESH_FOR_MS });
    return null;
  } catch (fault) {
    if (!(fault instanceof MirrorFault)) throw fault;
    if (!isEmpty) return fault.sentence;
    if (fault.kind === 'timeout')
      throw new Refusal(
        504,
        'fetch-timed-out',
        `${fault.sentence} It goes on in the background: try again later.`,
      );
    throw new Refusal(502, 'fetch-failed', fault.sentence);
  }
}

async function defaultBranch({ mirrors }: Services, project: Project): Promise<string> {
  return project.default_branch ?? (await mirrors.defaultBranch(project)) ?? 'main';
}

async function unknownRef({ mirrors }: Services, project: Project, ref: string): Promise<Refusal> {
  const nearest = await mirrors.nearest(project, ref);
  const hint = nearest.length > 0 ? ` Did you mean ${nearest.join(', ')}?` : '';
  const sentence = `${project.name} has no branch, tag or commit ${JSON.stringify(ref)}.${hint}`;
  return new Refusal(422, 'unknown-ref', sentence, { nearest });
}
