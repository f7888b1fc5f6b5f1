import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import express, { type Request, type Response, type Router } from 'express';
import { type Kysely, sql } from 'kysely';
import type { Database, Project } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { MirrorFault, saysDamaged } from './fault.ts';

type Needed = Pick<Services, 'reader' | 'mirrors' | 'log' | 'config'>;

/** The project, and the commit that is to be built of it. */
type Wanted = Project & { sha: string; bundle_due_at: number | null };

const SERVICE = 'git-upload-pack';
/** What git said of a failure is kept up to this for the operator's log. */
const MOST_WORDS = 8192;

/**
 * Serves the mirrors to runners over git's smart HTTP protocol, for reading only:
 * `GET /git/<project>.git/info/refs?service=git-upload-pack` and `POST /git/<project>.git/git-upload-pack`. HTTP Basic, any user,
 * the password is the token of an attempt that is running, in that very project. A commit is given by its name,
 * whether or not a branch leads to it. Bodies are streamed both ways; git ends when its client goes away.
 */
export function gitHttp(services: Needed): Router {
  const router = express.Router();
  const advertised = new Map<string, Promise<Buffer>>();
  router.get('/git/:repository/info/refs', async (request, response) => {
    const project = await admit(services.reader, request, response);
    if (request.query['service'] !== SERVICE)
      throw new Refusal(
        403,
        'not-supported',
        'This mirror can only be fetched from: ask for service=git-upload-pack.',
      );
    await bring(services, project);
    neverCached(response).type(`application/x-${SERVICE}-advertisement`);
    if (protocolOf(request) !== 'version=2')
      return serve(services, project, { request, response, advertise: true });
    // Version 2 advertises what the server can do, not what the repository holds: the same for every mirror.
    const held = advertised.get('version=2') ?? advertise(services, project);
    advertised.set('version=2', held);
    held.catch(() => advertised.clear());
    response.end(await held);
  });
  router.post('/git/:repository/git-upload-pack', async (request, response) => {
    const project = await admit(services.reader, request, response);
    await bring(services, project);
    neverCached(response).type(`application/x-${SERVICE}-result`);
    await serve(services, project, { request, response, advertise: false });
  });
  return router;
}

/** The project, if the request presents the token of an attempt that is running in it. Nothing is said about which part is wrong. */
async function admit(db: Kysely<Database>, request: Request, response: Response): Promise<Wanted> {
  const name = /^(.+)\.git$/.exec(String(request.params['repository']))?.[1] ?? '';
  const [, encoded = ''] =
    /^Basic ([A-Za-z0-9+/=]{1,1024})$/i.exec(request.headers.authorization ?? '') ?? [];
  const decoded = Buffer.from(encoded, 'base64').toString();
  const token = decoded.slice(decoded.indexOf(':') + 1);
  const found =
    token === ''
      ? undefined
      : await db
          .selectFrom('attempts')
          .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
          .innerJoin('builds', 'builds.id', 'jobs.build_id')
          .innerJoin('projects', 'projects.id', 'builds.project_id')
          .selectAll('projects')
          .select(['builds.commit_sha as sha', 'builds.bundle_due_at'])
          // As a literal, so that SQLite takes its index of the attempts that are running.
          .where('attempts.status', '=', sql.lit('running'))
          .where('attempts.git_token_hash', '=', createHash('sha256').update(token).digest('hex'))
          .where('projects.name', '=', name)
          .executeTakeFirst();
  if (found) return found;
  response.set('WWW-Authenticate', 'Basic realm="Reprise mirror", charset="UTF-8"');
  throw new Refusal(
    401,
    'unauthenticated',
    'The mirror is open to runners with the token of a running attempt only.',
  );
}

/** The build may have been planned by another server: this one's mirror gets its commit the first time it is asked for it. */
async function bring({ mirrors, log, config }: Needed, project: Wanted): Promise<void> {
  if ((await mirrors.has(project, project.sha)) || (await mirrors.recall(project, [project.sha]))) return;
  try {
    await mirrors.fetch(project, { wants: [project.sha] });
  } catch (error) {
    if (!(error instanceof MirrorFault)) throw error;
    log.warn({ project: project.name, commit: project.sha, why: error.sentence }, 'a mirror lacks a commit');
    throw new Refusal(503, 'unavailable', `This server has no copy of the commit yet: ${error.sentence}`);
  }
  if (await mirrors.has(project, project.sha)) return mirrors.pin(project, project.sha);
  // Who planned it has it, and puts it into the storage within seconds.
  if (config.storage !== null && project.bundle_due_at !== null)
    throw new Refusal(
      503,
      'unavailable',
      'Upstream no longer has the commit, and it is not in the storage yet.',
    );
}

/** Joins one git process to the request and the response. */
async function serve(
  services: Needed,
  project: Pick<Project, 'id' | 'name'>,
  { request, response, advertise }: { request: Request; response: Response; advertise: boolean },
): Promise<void> {
  const child = uploadPack(services, project, { advertise, protocol: protocolOf(request) });
  response.once('close', () => child.kill());
  const words = collectWords(child);
  const exited = exitCode(child);
  if (advertise) response.write(HEADLINE);
  const body = /^(x-)?gzip$/.test(request.headers['content-encoding'] ?? '') ? [createGunzip()] : [];
  const input = advertise
    ? child.stdin?.end()
    : pipeline([request, ...body, child.stdin as NodeJS.WritableStream]);
  // Whoever breaks off first, the exit code tells: a client that goes away, or git that has read enough.
  const [sent, received] = await Promise.allSettled([
    pipeline(child.stdout as NodeJS.ReadableStream, response),
    input,
  ]);
  const code = await exited;
  const isClientGone = sent.status === 'rejected' || received.status === 'rejected';
  if (code === 0 || (isClientGone && response.destroyed && words() === '')) return;
  const log = services.log.child({ project: project.name, code, stderr: words() });
  if (saysDamaged(words())) {
    services.mirrors.suspect(project);
    log.error('a mirror could not be read; its next fetch makes it anew');
  } else log.warn('git upload-pack failed');
}

/** The answer to version 2 clients, made once. */
async function advertise(services: Needed, project: Pick<Project, 'id' | 'name'>): Promise<Buffer> {
  const child = uploadPack(services, project, { advertise: true, protocol: 'version=2' });
  child.stdin?.end();
  const words = collectWords(child);
  const exited = exitCode(child);
  const chunks: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  const code = await exited;
  if (code !== 0) throw new Error(`git upload-pack could not advertise (exit code ${code}): ${words()}`);
  return Buffer.concat([HEADLINE, ...chunks]);
}

/** What precedes an advertisement over HTTP: the service's name as a packet line, and a flush packet. */
const HEADLINE = Buffer.from(`001e# service=${SERVICE}\n0000`);

function uploadPack(
  { mirrors }: Needed,
  project: Pick<Project, 'id'>,
  o: { advertise: boolean; protocol: string },
): ChildProcess {
  const args = [
    'upload-pack',
    '--strict',
    '--stateless-rpc',
    ...(o.advertise ? ['--http-backend-info-refs'] : []),
  ];
  return spawn('git', [...args, '--', mirrors.directory(project)], {
    cwd: '/',
    env: { ...mirrors.environment(), GIT_PROTOCOL: o.protocol },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

function collectWords(child: ChildProcess): () => string {
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    if (words.length < MOST_WORDS) words += chunk;
  });
  return () => words.trim().slice(0, MOST_WORDS);
}

function exitCode(child: ChildProcess): Promise<number | null> {
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject).once('close', resolve);
  // Whoever awaits it hears of a failure; one that comes before that must not end the server.
  promise.catch(() => {});
  return promise;
}

/** The one version that changes the answer; whatever else a client sends is never given to a process. */
function protocolOf(request: Request): string {
  return request.headers['git-protocol']?.includes('version=2') ? 'version=2' : '';
}

function neverCached(response: Response): Response {
  return response.set({
    'Cache-Control': 'no-cache, max-age=0, must-revalidate',
    'X-Content-Type-Options': 'nosniff',
  });
}
