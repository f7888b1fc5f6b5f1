import type { Project } from '../db/schema.ts';
import type { Git } from './git.ts';

/** Where an installation keeps pinned commits besides its servers' mirrors, whose disks may be lost. */
export interface PinnedElsewhere {
  /** Those of `shas` that are there. Asks the records only. */
  among(project: Pick<Project, 'id'>, shas: readonly string[]): Promise<string[]>;
  /**
   * Brings the objects of one of them into a repository; no ref leads to it afterwards. false: it cannot be had, and the operator's
   * log says why.
   */
  bring(
    project: Pick<Project, 'id' | 'name'>,
    sha: string,
    into: { git: Git; signal: AbortSignal },
  ): Promise<boolean>;
}
