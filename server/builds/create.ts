import { recordAudit } from '../audit/record.ts';
import type { Actor } from '../auth/caller.ts';
import type { Project } from '../db/schema.ts';
import { MirrorFault } from '../git/fault.ts';
import { isSha, isShaPrefix } from '../git/names.ts';
import type { ResolvedRef } from '../git/resolve.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { announceNew } from './announce.ts';
import { insertBuild } from './new-build.ts';

/** Somebody waits for the answer. */
const FETCH_WITHIN_MS = 30_000;

export interface Asked {
  /** A branch, tag, full ref, or a full or shortened object name. */
  ref: string;
  reason: string;
  /** The ref whose pipeline file is used instead of the commit's own; null: the commit's. */
  pipeline: string | null;
  by: Actor;
  /** Milliseconds; 30 s unless told. */
  fetchWithinMs?: number;
}

/**
 * Makes a build of what `ref` names now, and returns its number. Refuses 422 with the nearest names where there is no such
 * ref or commit, 504 where the upstream does not answer in time. What is a commit of the mirror needs no upstream.
 */
export async function createBuild(
  services: Services,
  project: Project,
  { ref, reason, pipeline, by, fetchWithinMs = FETCH_WITHIN_MS }: Asked,
  signal: AbortSignal,
): Promise<number> {
  const { mirrors, db } = services;
  const refs = pipeline === null ? [ref] : [ref, pipeline];
  const found = await resolveNow(services, project, refs, { timeoutMs: fetchWithinMs, signal });
  const wanted = await mustResolve(services, project, ref, found);
  if (pipeline !== null) await mustResolve(services, project, pipeline, found);
  const commit = await mirrors.commit(project, wanted.sha);
  const now = services.now();
  const number = await db.transaction().execute(async (trx) => {
    const made = await insertBuild(
      trx,
      project.id,
      {
        commit_sha: wanted.sha,
        ref: wanted.ref,
        branch: wanted.branch,
        tag: wanted.tag,
        pull_request: null,
        message: commit.message,
        author_name: commit.authorName,
        author_email: commit.authorEmail,
        trigger_kind: 'manual',
        trigger_by: by.name,
        trigger_reason: reason,
        delivery_id: null,
        changed_paths: null,
        needs_approval: 0,
        pipeline_ref: pipeline,
      },
      now,
    );
    await recordAudit(trx, {
      at: now,
      by,
      action: 'build.create',
      project: project.name,
      subject: `${project.name} #${made}`,
      reason,
      detail: { ref, commit: wanted.sha, ...(pipeline !== null && { pipeline }) },
    });
    return made;
  });
  announceNew(services, [{ project: project.name, number }]);
  services.live.changed('audit');
  return number;
}

/** What each name stands for, after a fetch unless all of them are commits that the mirror has. */
async function resolveNow(
  { mirrors }: Services,
  project: Project,
  refs: readonly string[],
  patience: { timeoutMs: number; signal: AbortSignal },
): Promise<Map<string, ResolvedRef | null>> {
  const held = await resolveAll();
  const needsUpstream = refs.some((ref) => !isShaPrefix(ref) || held.get(ref)?.ref !== '');
  if (!needsUpstream) return held;
  try {
    const wants = refs.filter((ref) => isSha(ref) || ref.startsWith('refs/'));
    await mirrors.fetch(project, { wants, ...patience });
  } catch (fault) {
    throw refusalOf(fault, project, patience.timeoutMs);
  }
  return resolveAll();

  async function resolveAll() {
    return new Map(
      await Promise.all(refs.map(async (ref) => [ref, await mirrors.resolve(project, ref)] as const)),
    );
  }
}

async function mustResolve(
  { mirrors }: Services,
  project: Project,
  ref: string,
  found: Map<string, ResolvedRef | null>,
): Promise<ResolvedRef> {
  const resolved = found.get(ref);
  if (resolved) return resolved;
  const nearest = await mirrors.nearest(project, ref);
  const hint = nearest.length > 0 ? ` Did you mean ${nearest.join(', ')}?` : '';
  throw new Refusal(
    422,
    'unknown-ref',
    `${project.name} has no branch, tag or commit ${JSON.stringify(ref)}.${hint}`,
    { nearest },
  );
}

function refusalOf(fault: unknown, project: Project, waitedMs: number): unknown {
  if (!(fault instanceof MirrorFault)) return fault;
  if (fault.kind === 'timeout') {
    const sentence = `The repository of ${project.name} did not answer within ${waitedMs / 1000} seconds.`;
    return new Refusal(
      504,
      'fetch-timed-out',
      `${sentence} Try again, or give a commit that was built before.`,
    );
  }
  return new Refusal(502, 'fetch-failed', `${project.name} could not be fetched: ${fault.sentence}`);
}
