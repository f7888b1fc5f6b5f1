import { frozen } from '@reprise/pipelines/freeze.ts';
import { compileGlob } from '@reprise/pipelines/glob.ts';
import type { Environment } from '@reprise/pipelines/model.ts';
import type { Policy } from '../environments/policy.api.ts';

/** Every rule that can refuse a promotion; part of the public contract, so never renamed. */
export type Rule =
  | 'passed'
  | 'fork'
  | 'branches'
  | 'reproducible'
  | 'requires'
  | 'older'
  | 'freeze'
  | 'hosts'
  | 'secrets'
  | 'keys';

/** A rule that says no, in a sentence with what to do. */
export interface Objection {
  rule: Rule;
  sentence: string;
}

/** What of the world the rules look at. */
export interface Facts {
  environment: Environment;
  policy: Policy;
  build: { number: number; status: string; branch: string | null; tag: string | null; fork: boolean };
  /** `state` of the artifact's reproducibility. */
  reproducible: 'unverified' | 'identical' | 'different';
  /** Of each environment that is required: whether this artifact (by digest) is live and healthy on every host. */
  required: readonly { environment: string; isThere: boolean }[];
  /** Of what is live: the build's number, where the artifact's commit is behind it; null: it is not. */
  newerLive: number | null;
  confirmOlder: boolean;
  /** Milliseconds since 1970. */
  now: number;
}

/** Every rule that says no; none: it may go there, once `approvalsNeeded` others have said yes. */
export function objections(facts: Facts): Objection[] {
  const { environment, build, required, newerLive, confirmOlder } = facts;
  const found: Objection[] = [];
  const object = (rule: Rule, sentence: string) => void found.push({ rule, sentence });
  const place = environment.name;

  if (build.fork)
    object('fork', "What a fork's pull request made is never promoted: merge it, and promote that build.");
  if (build.status !== 'passed')
    object('passed', `Build #${build.number} has not passed: it is ${build.status}. Promote one that has.`);
  const barred = barredBranch(facts);
  if (barred !== null) object('branches', barred);
  if (
    (environment.reproducible ?? facts.policy.reproducible) === 'required' &&
    facts.reproducible !== 'identical'
  )
    object('reproducible', REPRODUCIBLE[facts.reproducible](place, build.number));
  for (const { environment: name } of required.filter(({ isThere }) => !isThere))
    object(
      'requires',
      `${place} requires ${name}: this artifact is not live and healthy there. Promote it to ${name} first.`,
    );
  if (newerLive !== null && !confirmOlder)
    object(
      'older',
      `Build #${newerLive}, which is live in ${place}, is newer. Confirm it to go back, or roll back.`,
    );
  const window = frozen(environment.freeze, facts.now);
  if (window !== null) object('freeze', frozenSentence(place, window));
  const stranger = strangeHost(facts);
  if (stranger !== null) object('hosts', stranger);
  return found;
}

/** How many others must say yes: the file may ask for more than the policy, never for less. */
export function approvalsNeeded({ environment, policy }: Pick<Facts, 'environment' | 'policy'>): number {
  return Math.max(environment.approvals, policy.approvals);
}

const REPRODUCIBLE = {
  unverified: (place: string, build: number) =>
    `${place} takes only what a rebuild has made again, byte for byte. Rebuild #${build} first.`,
  different: (place: string, build: number) =>
    `${place} takes only what a rebuild has made again, byte for byte, and #${build} came out different. See which files differ.`,
  identical: () => '',
} as const;

/** Both the file's patterns and the policy's must match; what was built from no branch matches none. */
function barredBranch({ environment, policy, build }: Facts): string | null {
  for (const patterns of [environment.branches, policy.branches]) {
    if (patterns === null || (build.branch !== null && matches(patterns, build.branch))) continue;
    const from = build.branch === null ? 'was built from no branch' : `is of the branch ${build.branch}`;
    return `Only ${patterns.join(', ')} may go to ${environment.name}; build #${build.number} ${from}.`;
  }
  return null;
}

/** A host that the policy does not allow, in a sentence; null: all are allowed. */
export function strangeHost({ environment, policy }: Pick<Facts, 'environment' | 'policy'>): string | null {
  const { hosts } = policy;
  const stranger = hosts && environment.hosts.find((host) => !matches(hosts, host));
  if (!stranger) return null;
  return `${stranger} is not among the hosts that the policy of ${environment.name} allows. Ask an administrator.`;
}

/** As in a trigger: a leading `!` takes away again what an earlier pattern let in. */
function matches(patterns: readonly string[], text: string): boolean {
  return patterns.reduce((so, pattern) => {
    if (pattern.startsWith('!')) return so && !compileGlob(pattern.slice(1))(text);
    return so || compileGlob(pattern)(text);
  }, patterns[0]?.startsWith('!') ?? false);
}

function frozenSentence(place: string, { until, reason }: { until: number; reason: string | null }): string {
  const why = reason === null ? '' : ` (${reason})`;
  return `${place} is frozen until ${new Date(until).toISOString()}${why}. Rolling back is possible.`;
}
