import { createHash } from 'node:crypto';
import { type RunningServer, startServer } from '@reprise/server/app.ts';
import { parseServerConfig } from '@reprise/server/config.ts';
import { newId, newToken } from '@reprise/server/db/id.ts';
import type { Attempt, Build } from '@reprise/server/db/schema.ts';
import { pino } from 'pino';
import { engineSettings } from './engine.ts';
import { tempDir } from './temp.ts';

const ADMIN_TOKEN = 'the-token-of-the-tests-administrator-0123';

/** What an answer of the API was. */
export interface Answered<Body> {
  status: number;
  body: Body;
}

/** A whole server in this process, on a fresh data directory, with its database at hand. */
export class ProjectServer implements AsyncDisposable {
  readonly dir = tempDir();
  readonly #lines: string[] = [];
  #server: RunningServer | undefined;

  static async start(env: Record<string, string> = {}): Promise<ProjectServer> {
    const rig = new ProjectServer();
    const { config, problems } = parseServerConfig({
      ...(await engineSettings()),
      REPRISE_PORT: '0',
      REPRISE_DATA_DIR: rig.dir.join('data'),
      REPRISE_ADMIN_TOKEN: ADMIN_TOKEN,
      REPRISE_GIT_PROTOCOLS: 'file:https:http:ssh',
      ...env,
    });
    if (!config) throw new Error(problems.join('\n'));
    rig.#server = await startServer(
      config,
      pino({ level: 'trace' }, { write: (line) => void rig.#lines.push(line) }),
    );
    return rig;
  }

  get address(): string {
    return this.#running.address;
  }

  get services(): RunningServer['services'] {
    return this.#running.services;
  }

  /** Everything the operator's log says so far. */
  logged(): string {
    return this.#lines.join('');
  }

  /** A request as the administrator, or with another `authorization`. */
  async api<Body = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    authorization = `Bearer ${ADMIN_TOKEN}`,
  ): Promise<Answered<Body>> {
    const response = await fetch(`${this.address}${path}`, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as Body };
  }

  /** Records a build of a commit, already planned and of that status, without any job. */
  async build(projectId: string, commit: string, status: Build['status'] = 'passed'): Promise<Build> {
    const { db } = this.services;
    const { last_build_number: number } = await db
      .updateTable('projects')
      .set((eb) => ({ last_build_number: eb('last_build_number', '+', 1) }))
      .where('id', '=', projectId)
      .returning('last_build_number')
      .executeTakeFirstOrThrow();
    return db
      .insertInto('builds')
      .values({
        id: newId(),
        project_id: projectId,
        number,
        status,
        why: '',
        commit_sha: commit,
        ref: 'refs/heads/main',
        branch: 'main',
        message: 'A change',
        author_name: 'Ada Example',
        author_email: 'ada@example.test',
        trigger_kind: 'manual',
        trigger_by: 'ada',
        trigger_reason: '',
        needs_approval: 0,
        queued_at: 1_767_225_600_000,
        planned_at: 1_767_225_600_000,
        revision: 1,
      })
      .returningAll()
      .executeTakeFirstOrThrow();
  }

  /** Records an attempt of a build's job; returns its id and the token with which a runner may fetch the mirror. */
  async attempt(
    buildId: string,
    status: Attempt['status'] = 'running',
  ): Promise<{ id: string; token: string }> {
    const { db } = this.services;
    const [job, id, token] = [newId(), newId(), newToken('rpg')];
    await db
      .insertInto('jobs')
      .values({
        id: job,
        build_id: buildId,
        position: 0,
        name: job,
        status: 'running',
        why: '',
        needs: '[]',
        runs_on: '[]',
        ready: 0,
        attempt: 1,
        lost_attempts: 0,
        retries_left: 0,
        queued_at: 0,
      })
      .execute();
    await db
      .insertInto('attempts')
      .values({
        id,
        job_id: job,
        number: 1,
        status,
        why: '',
        runner_name: 'r',
        instance: 'instance',
        claim_id: id,
        fence: 'fence',
        git_token_hash: createHash('sha256').update(token).digest('hex'),
        lease_expires_at: Date.now() + 3_600_000,
        cancel_requested: 0,
        claimed_at: Date.now(),
        log_size: 0,
      })
      .execute();
    return { id, token };
  }

  get #running(): RunningServer {
    if (!this.#server) throw new Error('The server was not started.');
    return this.#server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.close();
    await this.#server?.services.mirrors.close();
    this.dir[Symbol.dispose]();
  }
}
