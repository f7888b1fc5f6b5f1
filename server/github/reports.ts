import type { Services } from '../services.ts';
import { type Github, retryAfterMs } from './api.ts';
import { buildsToTell, markBuild, tellBuild } from './build-status.ts';
import { deploymentsToTell, markDeployment, tellDeployment } from './deployment-status.ts';
import { placeOf } from './place.ts';

/** Changes that come together are told together: of what has passed at once, only that. */
const GATHER_MS = 250;
/** Until another server's telling is over. */
const OTHERS_MS = 2000;
/** Read at once. */
const MOST_ROWS = 50;
/** What GitHub could not be told for so long is not told any more. */
const NEWS_FOR_MS = 24 * 3_600_000;

/**
 * Tells GitHub the status of builds and deployments, where a token is configured. What is still to be told is found in the database, as the
 * status last told beside the status now, so that nothing is lost in a restart and nothing is told that is no longer so. Where GitHub
 * cannot be reached, or limits the rate, everything waits for it; where it says no, that is logged and left. One
 * server at a time does it.
 */
export class GithubReports {
  readonly #services: Services;
  #timer: NodeJS.Timeout | undefined;
  #telling: Promise<void> | undefined;
  #isAsked = false;
  /** Failures in a row. */
  #tries = 0;
  #stopListening = (): void => {};
  #isStopped = false;

  constructor(services: Services) {
    this.#services = services;
  }

  start(): void {
    const { github, live } = this.#services;
    if (github === null) return;
    this.#stopListening = live.onChanged((topic) => {
      if (topic.startsWith('build:') || topic.startsWith('environments:')) this.#wakeIn(GATHER_MS);
    });
    this.#wakeIn(GATHER_MS);
  }

  /** Leaves what is still to be told to the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopListening();
    clearTimeout(this.#timer);
    await this.#telling;
  }

  /** One look is planned at most: after a failure no change makes it come earlier. */
  #wakeIn(ms: number): void {
    this.#isAsked = true;
    if (this.#isStopped || this.#telling || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#isAsked = false;
      this.#telling = this.#tellAll().then((pauseMs) => {
        this.#telling = undefined;
        if (pauseMs > 0) this.#wakeIn(pauseMs);
        else if (this.#isAsked) this.#wakeIn(GATHER_MS);
      });
    }, ms).unref();
  }

  /** Returns after how many milliseconds to go on; 0: all is told. */
  async #tellAll(): Promise<number> {
    const { holds, log, now } = this.#services;
    try {
      let pauseMs = 0;
      const isMine = await holds.with('tell-github', async () => {
        pauseMs = await this.#tellWhatIsNew();
      });
      this.#tries = 0;
      // Whoever is about it may have looked before what is new here.
      return isMine ? pauseMs : OTHERS_MS;
    } catch (fault) {
      const pauseMs = retryAfterMs(fault, { tries: this.#tries, now: now() }) ?? GATHER_MS;
      this.#tries += 1;
      log.warn(
        { err: fault, pauseMs },
        'GitHub could not be told of builds and deployments; it is tried again',
      );
      return pauseMs;
    }
  }

  async #tellWhatIsNew(): Promise<number> {
    const { db, now } = this.#services;
    const which = { since: now() - NEWS_FOR_MS, limit: MOST_ROWS };
    const builds = await buildsToTell(db, which);
    for (const build of builds) await this.#tellOfBuild(build);
    const deployments = await deploymentsToTell(db, which);
    for (const deployment of deployments) await this.#tellOfDeployment(deployment);
    return Math.max(builds.length, deployments.length) === MOST_ROWS ? GATHER_MS : 0;
  }

  async #tellOfBuild(build: Awaited<ReturnType<typeof buildsToTell>>[number]): Promise<void> {
    await this.#unlessRefused(build, (github) =>
      tellBuild(github, this.#services, build, placeOf(build.github ?? '')),
    );
    await markBuild(this.#services.db, build);
  }

  async #tellOfDeployment(deployment: Awaited<ReturnType<typeof deploymentsToTell>>[number]): Promise<void> {
    const id = await this.#unlessRefused(deployment, (github) =>
      tellDeployment(github, this.#services, deployment, placeOf(deployment.github ?? '')),
    );
    await markDeployment(this.#services.db, deployment, id);
  }

  /** null: GitHub has understood and does not take it. It will not take it later, so it counts as told. */
  async #unlessRefused<Told>(
    what: { id: string; project: string; github: string | null },
    tell: (github: Github) => Promise<Told>,
  ): Promise<Told | null> {
    const { github } = this.#services;
    if (github === null || what.github === null) return null;
    try {
      return await tell(await github);
    } catch (fault) {
      if (this.#isStopped || retryAfterMs(fault, { tries: 0, now: 0 }) !== null) throw fault;
      this.#services.log.warn(
        { err: fault, project: what.project, github: what.github, id: what.id },
        'GitHub does not take this status: see whether the token may write commit statuses and deployments there',
      );
      return null;
    }
  }
}
