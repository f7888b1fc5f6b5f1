import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import express, { type Express } from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import { artifactRoutes } from './artifacts/artifact.routes.ts';
import { BlobStore } from './artifacts/blob.store.ts';
import { auditRoutes } from './audit/audit.routes.ts';
import { accountRoutes } from './auth/account.routes.ts';
import { badgeRoutes } from './badges/badge.routes.ts';
import { buildRoutes } from './builds/build.routes.ts';
import { Planner } from './builds/planner.ts';
import { Bundles } from './bundles/bundles.ts';
import { steadyClock } from './clock.ts';
import type { ServerConfig } from './config.ts';
import { DatabaseTime } from './db/database-time.ts';
import { openDatabase } from './db/open.ts';
import { deploymentRoutes } from './deployments/deployment.routes.ts';
import { DiskWatch } from './disk/watch.ts';
import { environmentRoutes } from './environments/environment.routes.ts';
import { hostKeyRoutes } from './environments/host-key.routes.ts';
import { policyRoutes } from './environments/policy.routes.ts';
import { Mirrors } from './git/mirrors.ts';
import { gitHttp } from './git/smart-http.routes.ts';
import { connectGithub } from './github/api.ts';
import { GithubReports } from './github/reports.ts';
import { type Authenticate, makeAuthenticate } from './http/authenticate.ts';
import { closeHttp, listen } from './http/listen.ts';
import { mount } from './http/mount.ts';
import { openApiDocument } from './http/openapi.ts';
import { answerErrors, answerUnknownPath } from './http/problem.ts';
import { Readiness } from './http/readiness.ts';
import { refuseReserved } from './http/reserved.ts';
import { type Route, STREAMED } from './http/route.ts';
import { Live } from './live/live.ts';
import { lockDirectory } from './lock.ts';
import { logRoutes } from './logs/log.routes.ts';
import { openLogs } from './logs/open.ts';
import { Lookout } from './lookout/lookout.ts';
import { PAGE_DIR } from './page/build.ts';
import { servePage } from './page/serve.ts';
import { projectRoutes } from './projects/project.routes.ts';
import { promotionRoutes } from './promotions/promotion.routes.ts';
import { queueRoutes } from './queue/queue.routes.ts';
import { Queue } from './queue/queue.ts';
import { retentionRoutes } from './retention/retention.routes.ts';
import { Retention } from './retention/sweep.ts';
import { protocolRoutes } from './runners/protocol.routes.ts';
import { runnerRoutes } from './runners/runner.routes.ts';
import { Schedules } from './schedules/schedules.ts';
import { secretRoutes } from './secrets/secret.routes.ts';
import { joinServers } from './servers/membership.ts';
import { type Exchange, openExchange } from './servers/open.ts';
import type { Services } from './services.ts';
import { openStorage, type Storage } from './storage/open.ts';
import { Vault } from './vault.ts';
import { VERSION } from './version.ts';
import { deliveryRoutes } from './webhooks/delivery.routes.ts';
import { githubWebhooks } from './webhooks/webhook.routes.ts';

/** A server that answers. `close` drains it: no new work, what is being answered is answered, then everything is closed. */
export interface RunningServer {
  /** Where it listens: `http://HOST:PORT`. */
  address: string;
  services: Services;
  /** Every declared route: what answers beside GitHub's webhooks, the runners' git and the page. */
  routes: readonly Route[];
  close(): Promise<void>;
}

/** Starts a server on its data directory, which may be to have an embedded runner. Rejects, leaving nothing behind, when it cannot. */
export async function startServer(
  config: ServerConfig,
  log: Logger,
  { withRunner = false } = {},
): Promise<RunningServer> {
  await using undo = new AsyncDisposableStack();
  const lock = undo.adopt(lockDirectory(config.dataDir), ({ release }) => release());
  const { db, reader, ...database } = await openDatabase(
    join(config.dataDir, 'reprise.db'),
    config.databaseUrl,
  );
  undo.defer(database.close);
  const time = config.databaseUrl && (await DatabaseTime.start({ reader, log }));
  if (time) undo.defer(() => time.stop());
  const now = steadyClock(time ? { wall: time.now } : {});
  const storage = undo.use(await openStorage(config.storage, config.dataDir));

  const authenticate = makeAuthenticate(config, db, () => services.now());
  const listening = { address: '' };
  const exchange = undo.use(await openExchange(config, { db, log, now: () => services.now() }));
  const services = buildServices({
    config,
    log,
    db,
    reader,
    now,
    storage,
    exchange,
    authenticate,
    listening,
  });
  undo.defer(() => services.logs.close());
  const readiness = new Readiness({ reader, redis: exchange.redis, storage });
  const routes = allRoutes(services, readiness);
  const http = createServer(buildApp(services, authenticate, routes));
  // A blob may take an hour to arrive; a header may not.
  http.requestTimeout = 3_600_000;
  http.keepAliveTimeout = 75_000;
  await services.mirrors.assertGit();
  undo.defer(() => services.mirrors.close());
  services.live.attach(http);
  listening.address = await listen(http, config);
  undo.defer(() => closeHttp(http));
  undo.defer(() => services.live.close());
  const membership = await joinServers(services, withRunner);
  undo.defer(() => membership.leave());
  await services.disk.start();
  undo.defer(() => services.disk.stop());
  await services.queue.start(membership);
  undo.defer(() => services.queue.stop());
  const works = [
    services.planner,
    new Schedules(services),
    services.lookout,
    services.bundles,
    services.retention,
    new GithubReports(services),
  ];
  for (const work of works) {
    work.start();
    undo.defer(() => work.stop());
  }
  services.background.start();
  readiness.isOpen = true;

  const opened = undo.move();
  void lock;
  return {
    address: listening.address,
    services,
    routes,
    async close() {
      readiness.isOpen = false;
      // Answers as before until whoever balances has noticed.
      await delay(config.drainMs);
      await opened.disposeAsync();
    },
  };
}

function buildServices(
  o: Pick<Services, 'config' | 'log' | 'db' | 'reader' | 'now'> & {
    storage: Storage;
    exchange: Exchange;
    authenticate: Authenticate;
    listening: { address: string };
  },
): Services {
  const { config, log, db, reader, now, storage, exchange, authenticate, listening } = o;
  const below = (name: string) => {
    const dir = join(config.dataDir, name);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    return dir;
  };
  const vault = Vault.open(config.dataDir, config.secretKey);
  const services: Services = {
    config,
    log,
    db,
    reader,
    vault,
    github: config.githubApi && connectGithub(config.githubApi),
    logs: openLogs(o, { objects: storage.logs, dir: below('logs') }),
    blobs: new BlobStore(storage.blobs),
    storage,
    wake: exchange.wake,
    background: exchange.background,
    holds: exchange.holds,
    news: exchange.news,
    now,
    publicUrl: () => config.url ?? listening.address,
  } as Services;
  services.bundles = new Bundles(services, join(config.dataDir, 'bundles'));
  services.mirrors = new Mirrors({
    dir: below('mirrors'),
    protocols: [...config.gitProtocols],
    vault,
    log,
    elsewhere: services.bundles,
  });
  services.live = new Live(services, authenticate);
  services.queue = new Queue(services);
  services.planner = new Planner(services);
  services.retention = new Retention(services);
  services.disk = new DiskWatch(services);
  services.lookout = new Lookout(services);
  return services;
}

function allRoutes(services: Services, readiness: Readiness): Route[] {
  const routes: Route[] = [
    ...protocolRoutes(services),
    ...runnerRoutes(services),
    ...queueRoutes(services),
    ...projectRoutes(services),
    ...buildRoutes(services),
    ...logRoutes(services),
    ...artifactRoutes(services),
    ...deliveryRoutes(services),
    ...secretRoutes(services),
    ...environmentRoutes(services),
    ...policyRoutes(services),
    ...hostKeyRoutes(services),
    ...promotionRoutes(services),
    ...deploymentRoutes(services),
    ...retentionRoutes(services),
    ...auditRoutes(services),
    ...badgeRoutes(services),
    ...accountRoutes(services),
    ...aboutRoutes(services, () => routes, readiness),
  ];
  return routes;
}

function buildApp(services: Services, authenticate: Authenticate, routes: readonly Route[]): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', 'simple');
  if (services.config.trustProxy) app.set('trust proxy', services.config.trustProxy);
  app.use(githubWebhooks(services));
  app.use(gitHttp(services));
  app.use(
    helmet({
      contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"] } },
      referrerPolicy: { policy: 'same-origin' },
    }),
  );
  app.use((_request, response, next) => {
    response.set('Permissions-Policy', NO_DEVICES);
    next();
  });
  app.use('/api', (_request, response, next) => {
    response.set('Cache-Control', 'no-store');
    // Before anything is read for the answer, which so shows what was announced up to it. Another server counts otherwise.
    if (!services.news.isShared) response.set('Reprise-Revision', String(services.live.revision));
    next();
  });
  mount(app, routes, { authenticate, vault: services.vault, publicUrl: services.publicUrl });
  refuseReserved(app);
  app.use(servePage(PAGE_DIR));
  app.use(answerUnknownPath);
  app.use(answerErrors(services.log));
  return app;
}

/** What the page never asks of a browser, so that nobody asks in its name. */
const NO_DEVICES = 'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()';

function aboutRoutes(services: Services, all: () => readonly Route[], readiness: Readiness): Route[] {
  let document: object | undefined;
  return [
    {
      method: 'get',
      path: '/healthz',
      policy: 'public',
      summary: 'The process is alive.',
      handle: () => ({ status: 'ok', version: VERSION }),
    },
    {
      method: 'get',
      path: '/readyz',
      policy: 'public',
      summary: 'It takes work: 503 while it starts or drains, or an engine (`away`) does not answer.',
      async handle({ response }) {
        const away = await readiness.away();
        const isReady = readiness.isOpen && away.length === 0;
        const { problem } = services.disk;
        if (isReady) return { status: 'ready', version: VERSION, ...(problem && { problem }) };
        response.status(503).json({ status: 'not ready', version: VERSION, away });
        return STREAMED;
      },
    },
    {
      method: 'get',
      path: '/api/openapi.json',
      policy: 'public',
      summary: 'This description.',
      handle: () => (document ??= openApiDocument(all(), VERSION)),
    },
  ];
}
