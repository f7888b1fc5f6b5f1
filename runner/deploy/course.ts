import type { Deployment, DeployPorts, Phase } from './deployment.ts';
import { HostLog } from './host-log.ts';
import type { Host } from './hosts/host.ts';
import type { RunOptions, Said } from './hosts/session.ts';
import type { Program } from './scripts/program.ts';
import { Trouble } from './trouble.ts';

/** What is known of a release's artifact, as variables for commands; empty where nothing is. */
export type Facts = Record<(typeof FACTS)[number], string>;

const FACTS = [
  'REPRISE_BUILD',
  'REPRISE_VERSION',
  'REPRISE_COMMIT',
  'REPRISE_BRANCH',
  'REPRISE_TAG',
] as const;

/** A host in the course of one deployment: what was found there, and what was done to it. */
export interface Target {
  readonly host: Host;
  readonly name: string;
  /** Its place in the environment's whole list. */
  readonly index: number;
  readonly log: HostLog;
  /** The lock was asked for, so it may be held. */
  lockTried: boolean;
  /** What `current` led to when the lock was taken, as it was written and as a release's name; null: nothing. */
  before: { target: string; release: string; facts: Facts } | null;
  releases: string[];
  /** Of what this deployment puts there. */
  digest: string | null;
  /** A release was begun there. */
  prepared: boolean;
  /** The switch was begun. */
  switched: boolean;
  /** Out of HAProxy by us, and which of its servers somebody else had taken out before. */
  drained: boolean;
  leftOut: Set<string>;
  /** A deployment that was killed took it out. */
  drainedBefore: boolean;
  /** Of what is live now; null: nothing says. */
  healthy: boolean | null;
  /** What it said when the lock was given back; null: it was not. */
  parting: Said | null;
}

/** What an act says about itself when it is done. */
export interface Done {
  detail?: string;
  digest?: string;
}

/** A deployment that is being carried out. Each of its acts is recorded before it is done and after. */
export class Course {
  readonly deployment: Deployment;
  readonly targets: Target[];
  readonly #ports: DeployPorts;
  /** The release that is made or flipped to. */
  release: string;

  constructor(deployment: Deployment, hosts: readonly Host[], ports: DeployPorts) {
    this.deployment = deployment;
    this.#ports = ports;
    this.release = deployment.release;
    this.targets = hosts.map((host) => newTarget(host, deployment, ports));
  }

  /** Cancel is heard here, and nowhere else. */
  heed(): void {
    if (this.#ports.signal.aborted) throw new Trouble('cancelled', 'The deployment was cancelled.');
  }

  /** Does one thing on one host, between two records. What `work` throws as `Trouble` is recorded and thrown again. */
  async act(target: Target, phase: Phase, work: () => Promise<Done | undefined>): Promise<void> {
    await this.#record(target, phase, null);
    let done: Done | undefined;
    try {
      done = await work();
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      target.log.say(error.message);
      await this.#record(target, phase, error.lost ? 'unknown' : 'failed', { detail: error.message });
      throw error;
    }
    await this.#record(target, phase, 'done', done);
  }

  /** What a program says on a host; throws `Trouble` when it refuses or is lost. */
  async run(
    target: Target,
    program: Program,
    options: Partial<Omit<RunOptions, 'output'>> = {},
  ): Promise<Said> {
    const timeoutMs = options.timeoutMs ?? this.deployment.limits.actMs;
    const answer = await target.host.run(program, { ...options, timeoutMs, output: target.log.output });
    target.log.flush();
    if (answer.kind === 'done') return answer.said;
    if (answer.late && options.canStop)
      throw new Trouble(
        'failed',
        `The command was ended on ${target.name}. ${answer.why}`,
        answer.kind === 'lost',
      );
    throw new Trouble('errored', answer.why, answer.kind === 'lost' && answer.begun);
  }

  async #record(
    target: Target,
    phase: Phase,
    outcome: 'done' | 'failed' | 'unknown' | null,
    done: Done = {},
  ): Promise<void> {
    await this.#ports.record({
      host: target.name,
      phase,
      at: outcome === null ? 'before' : 'after',
      outcome,
      release: this.release,
      previousRelease: target.before?.release ?? null,
      detail: done.detail ?? null,
      digest: done.digest ?? null,
    });
  }
}

/** Facts from an artifact, or from what a release says of itself in its `RELEASE.json`; nothing there can be but text for a variable. */
export function factsOf(known: Record<string, unknown>): Facts {
  const text = (value: unknown) =>
    ['string', 'number'].includes(typeof value) && !String(value).includes('\0') ? String(value) : '';
  return {
    REPRISE_BUILD: text(known['build']),
    REPRISE_VERSION: text(known['version']),
    REPRISE_COMMIT: text(known['commit']),
    REPRISE_BRANCH: text(known['branch']),
    REPRISE_TAG: text(known['tag']),
  };
}

/** The variables that the commands of the pipeline file see; `isNew` for the deployment's release, else for the one before it. */
export function commandVariables(
  { deployment }: Course,
  target: Target,
  o: { release: string; directory: string; isNew: boolean },
): Record<string, string> {
  const { environment, artifact, project } = deployment;
  return {
    ...deployment.env,
    REPRISE: 'true',
    REPRISE_PROJECT: project,
    REPRISE_ENVIRONMENT: environment.name,
    ...(o.isNew || target.before === null ? factsOf(artifact ?? {}) : target.before.facts),
    REPRISE_RELEASE: o.release,
    REPRISE_RELEASE_PATH: o.directory,
    REPRISE_PREVIOUS_RELEASE: target.before?.release ?? '',
    REPRISE_DEPLOY_PATH: target.host.place.path,
    REPRISE_HOST: target.name,
    ...deployment.secrets,
  };
}

/** The absolute name that `current` is given for a release, as Capistrano gives it. */
export function releasePath(target: Target, release: string): string {
  return `${target.host.place.path}/releases/${release}`;
}

function newTarget(host: Host, { environment }: Deployment, ports: DeployPorts): Target {
  const label = host.name.replace(/^[^@]*@/, '');
  return {
    host,
    name: host.name,
    index: environment.hosts.indexOf(host.name),
    log: new HostLog(label, (bytes) => ports.log(bytes)),
    lockTried: false,
    before: null,
    releases: [],
    digest: null,
    prepared: false,
    switched: false,
    drained: false,
    leftOut: new Set(),
    drainedBefore: false,
    healthy: null,
    parting: null,
  };
}
