import type { Project } from '../db/schema.ts';
import type { Vault } from '../vault.ts';
import { type Access, hostKeyProblem, type SshFiles, withAccess } from './access.ts';
import { type CloneUrl, parseCloneUrl } from './clone-url.ts';
import { gitWords, MirrorFault, saysDamaged } from './fault.ts';
import type { Git } from './git.ts';
import { isSha, isShortRef } from './names.ts';

/** A project's repository where it is pushed to, as one fetch sees it. Its commands are the only ones that use the network. */
export interface Upstream {
  /**
   * Fetches refspecs into `git`'s repository. `refused` where the upstream has no such ref or object; `locked` where a
   * lock file stands in the way. Throws `MirrorFault`.
   */
  fetch(git: Git, refspecs: readonly string[], signal: AbortSignal): Promise<'done' | 'refused' | 'locked'>;
  /** What its branches and tags name at the moment; no object is fetched. */
  advertised(git: Git, signal: AbortSignal): Promise<Map<string, Advertised>>;
  /** The branch that the upstream's HEAD names; null where it has none or is empty. */
  headBranch(git: Git, signal: AbortSignal): Promise<string | null>;
}

/** What a ref names, and the commit that it leads to: of an annotated tag another object. */
export interface Advertised {
  object: string;
  commit: string;
}

export const ALL_REFS = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'] as const;

/** The refspec that brings one wanted name: a ref to the same ref, an object to no ref at all. */
export function refspec(name: string): string {
  return isSha(name) ? name : `+${name}:${name}`;
}

/** Opens the project's credential for the length of `work`. */
export async function withUpstream<T>(
  o: { project: Project; protocols: readonly string[]; vault: Vault; ssh: SshFiles },
  work: (upstream: Upstream) => Promise<T>,
): Promise<T> {
  const { url, problem } = parseCloneUrl(o.project.clone_url, o.protocols);
  if (!url) throw new MirrorFault('unreachable', problem);
  return withAccess({ ...o, url }, (access) => work(makeUpstream(o.project.clone_url, url, access)));
}

/**
 * `-v`: git says a line in any case; simple-git waits 50 ms longer for a process that says nothing. Pruning concerns only
 * the patterns fetched, so never the pins.
 */
const FETCH = [
  'fetch',
  '-v',
  '--prune',
  '--no-tags',
  '--no-write-fetch-head',
  '--no-auto-maintenance',
  '--no-recurse-submodules',
  '--',
];

function makeUpstream(address: string, url: CloneUrl, access: Access): Upstream {
  const failure = (stderr: string): MirrorFault => {
    const words = hostKeyProblem(stderr, url) ?? gitWords(stderr, access.secrets);
    if (saysDamaged(stderr))
      return new MirrorFault('damaged', `The mirror of ${address} is damaged: ${words}`);
    return new MirrorFault(
      'unreachable',
      `Git could not fetch ${gitWords(address)}: ${words || 'it did not say why'}`,
    );
  };
  return {
    async fetch(git, refspecs, signal) {
      const { code, stderr } = await git([...FETCH, address, ...refspecs], { signal, env: access.env });
      if (code === 0) return 'done';
      if (/Unable to create '.*\.lock'|\.lock': File exists/.test(stderr)) return 'locked';
      if (REFUSALS.test(stderr)) return 'refused';
      throw failure(stderr);
    },
    async advertised(git, signal) {
      const args = ['ls-remote', '--heads', '--tags', '--', address];
      const { code, stdout, stderr } = await git(args, { signal, env: access.env });
      if (code !== 0) throw failure(stderr);
      return readAdvertised(stdout.toString());
    },
    async headBranch(git, signal) {
      const args = ['ls-remote', '--symref', '--', address, 'HEAD'];
      const { code, stdout, stderr } = await git(args, { signal, env: access.env });
      if (code !== 0) throw failure(stderr);
      const name = /^ref: refs\/heads\/(\S+)\tHEAD$/m.exec(stdout.toString())?.[1];
      return name !== undefined && isShortRef(name) ? name : null;
    },
  };
}

/** Lines of object, tab and ref; a tag object is followed by what it leads to, as the ref with `^{}`. */
function readAdvertised(text: string): Map<string, Advertised> {
  const found = new Map<string, Advertised>();
  for (const [, object = '', ref = '', peeled] of text.matchAll(/^([0-9a-f]{40})\t(\S+?)(\^\{\})?$/gm)) {
    const tag = peeled === undefined ? undefined : found.get(ref);
    found.set(ref, tag ? { ...tag, commit: object } : { object, commit: object });
  }
  return found;
}

/** No such ref, no such object, or a branch that became a folder of branches: what a fetch of everything can settle. */
const REFUSALS =
  /couldn't find remote ref|not our ref|unadvertised object|does not allow request|cannot lock ref|unable to update local ref|some local refs could not be updated/;
