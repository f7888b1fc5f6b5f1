import type { PlannedJob } from '@reprise/pipelines/model.ts';
import { startServer } from '@reprise/server/app.ts';
import { settle } from '@reprise/server/builds/settle.ts';
import { parseServerConfig, type ServerConfig } from '@reprise/server/config.ts';
import { newId } from '@reprise/server/db/id.ts';
import { Refusal } from '@reprise/server/http/refusal.ts';
import { placeOf } from '@reprise/server/queue/group.ts';
import type { Services } from '@reprise/server/services.ts';
import { engineSettings } from './engine.ts';
import { tempDir } from './temp.ts';

export const ADMIN_TOKEN = 'the-token-of-the-tests-administrator-0123';

/** The clock of a server under test: real until it is moved. */
export interface Clock {
  (): number;
  advance(ms: number): void;
}

/**
 * A server in this process, for those who speak to it as runners and watchers do: real HTTP, real SQLite, real files, and
 * builds that are put into the database as planning would. `await using server = await QueueServer.start()`.
 */
export class QueueServer implements AsyncDisposable {
  readonly services: Services;
  readonly address: string;
  readonly clock: Clock;
  readonly #close: () => Promise<void>;
  #builds = 0;

  private constructor(o: { services: Services; address: string; clock: Clock; close: () => Promise<void> }) {
    this.services = o.services;
    this.address = o.address;
    this.clock = o.clock;
    this.#close = o.close;
  }

  /** `timeScale` divides the protocol's times; `dataDir` continues with the data of an earlier server. */
  static async start(o: { timeScale?: number; dataDir?: string; config?: Partial<ServerConfig> } = {}) {
    await using undo = new AsyncDisposableStack();
    const dataDir = o.dataDir ?? undo.use(tempDir()).path;
    const { config, problems } = parseServerConfig({
      ...(await engineSettings(dataDir)),
      REPRISE_PORT: '0',
      REPRISE_DATA_DIR: dataDir,
      REPRISE_ADMIN_TOKEN: ADMIN_TOKEN,
      REPRISE_TEST_TIME_SCALE: String(o.timeScale ?? 1),
    });
    if (!config) throw new Error(problems.join(' '));
    const faults: unknown[] = [];
    const running = await startServer({ ...config, ...o.config }, logOf(faults));
    undo.defer(() => running.close());
    const clock = movableClock();
    running.services.now = clock;
    const opened = undo.move();
    return new QueueServer({
      services: running.services,
      address: running.address,
      clock,
      async close() {
        await opened.disposeAsync();
        if (faults.length > 0) throw new AggregateError(faults, 'The server logged faults.');
      },
    });
  }

  /** Records a planned build of project `app` with these jobs and returns its number. */
  async build(...jobs: (Partial<PlannedJob> & { name: string })[]): Promise<number> {
    this.#builds += 1;
    const number = this.#builds;
    const id = newId();
    const now = this.services.now();
    await this.services.db.transaction().execute(async (trx) => {
      await trx
        .insertInto('projects')
        .values({
          id: 'project-app',
          name: 'app',
          clone_url: 'https://git.example.test/app.git',
          webhook_secret: '',
          credential_kind: 'none',
          last_build_number: 0,
          created_at: now,
        })
        .onConflict((oc) => oc.doNothing())
        .execute();
      await trx
        .insertInto('builds')
        .values({
          id,
          project_id: 'project-app',
          number,
          status: 'queued',
          why: '',
          commit_sha: 'c0ffee'.padEnd(40, '0'),
          ref: 'refs/heads/main',
          branch: 'main',
          message: 'A change',
          author_name: 'Ada Example',
          author_email: 'ada@example.test',
          trigger_kind: 'manual',
          trigger_by: 'ada',
          trigger_reason: '',
          version: '1.2.3',
          commit_time: 1_767_225_600,
          needs_approval: 0,
          queued_at: now,
          planned_at: now,
          revision: 1,
        })
        .execute();
      const rows = jobs.map((job, position) => {
        const planned = plannedJob(job);
        return {
          id: newId(),
          build_id: id,
          position,
          name: planned.name,
          status: 'queued' as const,
          why: '',
          needs: JSON.stringify(planned.needs),
          runs_on: JSON.stringify(planned.runsOn),
          spec: JSON.stringify(planned),
          ready: 0,
          attempt: 0,
          lost_attempts: 0,
          retries_left: planned.retry,
          ...placeOf('project-app', planned),
          queued_at: now,
        };
      });
      await trx.insertInto('jobs').values(rows).execute();
      await settle(trx, id, now);
    });
    this.services.queue.wake();
    return number;
  }

  /** The records of a build as they are now, without ids. */
  async state(number: number) {
    const { db } = this.services;
    const build = await db
      .selectFrom('builds')
      .selectAll()
      .where('number', '=', number)
      .executeTakeFirstOrThrow();
    const jobs = await db
      .selectFrom('jobs')
      .selectAll()
      .where('build_id', '=', build.id)
      .orderBy('position')
      .execute();
    const attempts = await db
      .selectFrom('attempts')
      .selectAll()
      .where('job_id', 'in', (ids) => ids.selectFrom('jobs').select('id').where('build_id', '=', build.id))
      .orderBy('number')
      .execute();
    return { build, jobs, attempts };
  }

  /** Asks for the end of a build's running attempts, as cancelling does. */
  async cancel(number: number): Promise<void> {
    const { attempts } = await this.state(number);
    const running = attempts.filter(({ status }) => status === 'running');
    await this.services.db
      .updateTable('attempts')
      .set({ cancel_requested: 1 })
      .where('id', 'in', [...running.map(({ id }) => id), ''])
      .execute();
    this.services.queue.notice(...running.map(({ runner_id }) => runner_id));
  }

  /** Whether that runner's renewal stands here. */
  async isStanding(runner: string): Promise<boolean> {
    const { db, queue } = this.services;
    const { id } = await db
      .selectFrom('runners')
      .select('id')
      .where('name', '=', runner)
      .executeTakeFirstOrThrow();
    return queue.presence.isStanding(id);
  }

  /** A request as the administrator. */
  async admin<Body = unknown>(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ status: number; body: Body }> {
    const response = await fetch(`${this.address}${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: JSON.parse(text || 'null') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

/** A job as a plan has it: one step `true`, on `linux`, unless told. */
function plannedJob(job: Partial<PlannedJob> & { name: string }): PlannedJob {
  const step = {
    name: 'true',
    run: 'true',
    env: {},
    timeoutMs: null,
    workingDirectory: null,
    shell: null,
    network: 'none' as const,
  };
  return {
    runsOn: ['linux'],
    needs: [],
    env: {},
    timeoutMs: 60_000,
    retry: 0,
    workingDirectory: null,
    network: 'none',
    artifacts: [],
    inputs: [],
    ...job,
    steps: job.steps ?? [step],
  };
}

/** An operator's log that nobody reads, but no fault in it goes unseen. */
function logOf(faults: unknown[]): ServerLog {
  const nothing = () => {};
  const log = {
    debug: nothing,
    info: nothing,
    warn: nothing,
    error: ({ err }: { err?: unknown }, sentence: string) => {
      if (!(err instanceof Refusal)) faults.push(err ?? new Error(sentence));
    },
    child: () => log,
  };
  return log as unknown as ServerLog;
}

type ServerLog = Parameters<typeof startServer>[1];

function movableClock(): Clock {
  let ahead = 0;
  const clock = () => Math.round(performance.timeOrigin + performance.now() + ahead);
  return Object.assign(clock, {
    advance(ms: number) {
      ahead += ms;
    },
  });
}
