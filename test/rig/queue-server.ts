import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PlannedJob } from '@reprise/pipelines/model.ts';
import { BlobStore } from '@reprise/server/artifacts/blob.store.ts';
import { settle } from '@reprise/server/builds/settle.ts';
import { parseServerConfig, type ServerConfig } from '@reprise/server/config.ts';
import { newId } from '@reprise/server/db/id.ts';
import { openDatabase } from '@reprise/server/db/open.ts';
import { makeAuthenticate } from '@reprise/server/http/authenticate.ts';
import { mount } from '@reprise/server/http/mount.ts';
import { answerErrors } from '@reprise/server/http/problem.ts';
import { Live } from '@reprise/server/live/live.ts';
import { LogStore } from '@reprise/server/logs/log.store.ts';
import { queueRoutes } from '@reprise/server/queue/queue.routes.ts';
import { Queue } from '@reprise/server/queue/queue.ts';
import { protocolRoutes } from '@reprise/server/runners/protocol.routes.ts';
import { runnerRoutes } from '@reprise/server/runners/runner.routes.ts';
import type { Services } from '@reprise/server/services.ts';
import express from 'express';
import { pino } from 'pino';
import { tempDir } from './temp.ts';

export const ADMIN_TOKEN = 'the-token-of-the-tests-administrator-0123';

/** The clock of a server under test: real until it is moved. */
export interface Clock {
  (): number;
  advance(ms: number): void;
}

/**
 * The part of a server that runners and watchers speak to: real HTTP, real SQLite, real files, and builds that are put into
 * the database as planning would. `await using server = await QueueServer.start()`.
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
    const parsed = parseServerConfig({
      REPRISE_DATA_DIR: dataDir,
      REPRISE_ADMIN_TOKEN: ADMIN_TOKEN,
      REPRISE_TEST_TIME_SCALE: String(o.timeScale ?? 1),
    });
    const { db, reader, close } = await openDatabase(`${dataDir}/reprise.db`);
    undo.defer(close);
    const clock = movableClock();
    const log = pino({ level: 'silent' });
    const logs = undo.use(new LogStore({ dir: `${dataDir}/logs` }));
    const blobs = new BlobStore({ dir: `${dataDir}/blobs` });
    const address = { value: '' };
    const services = {
      config: { ...config, ...o.config },
      log,
      db,
      reader,
      logs,
      blobs,
      now: clock,
    } as Services;
    services.publicUrl = () => address.value;
    const authenticate = makeAuthenticate(services.config, db);
    services.live = new Live(services, authenticate);
    services.queue = new Queue(services);

    const app = express();
    mount(
      app,
      [...protocolRoutes(services), ...runnerRoutes(services), ...queueRoutes(services)],
      authenticate,
    );
    app.use(answerErrors(log));
    const http = createServer(app);
    services.live.attach(http);
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    address.value = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    await services.queue.start();
    undo.defer(async () => {
      const closed = new Promise((resolve) => http.close(resolve));
      await services.queue.stop();
      await services.live.close();
      http.closeAllConnections();
      await closed;
    });
    const opened = undo.move();
    return new QueueServer({
      services,
      address: address.value,
      clock,
      close: () => opened.disposeAsync(),
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
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

/** A job as a plan has it: one step `true`, on `linux`, unless told. */
export function plannedJob(job: Partial<PlannedJob> & { name: string }): PlannedJob {
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

function movableClock(): Clock {
  let ahead = 0;
  const clock = () => Math.round(performance.timeOrigin + performance.now() + ahead);
  return Object.assign(clock, {
    advance(ms: number) {
      ahead += ms;
    },
  });
}
