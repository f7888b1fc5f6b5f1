import { randomUUID } from 'node:crypto';
import { mkdtempSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sign } from '@octokit/webhooks-methods';
import { pino } from 'pino';
import type { Build } from '../api.ts';
import { type RunningServer, startServer } from '../app.ts';
import { signInLink } from '../auth/link.ts';
import { waitForBuild } from '../cli/build.ts';
import { type Client, CommandFailure, openClient } from '../cli/client.ts';
import { startEmbeddedRunner } from '../cli/embedded-runner.ts';
import { bytes } from '../cli/print.ts';
import { liveTable, waitForPromotion } from '../cli/promote.ts';
import { parseServerConfig } from '../config.ts';
import { newToken } from '../db/id.ts';
import type { EnvironmentAnswer } from '../environments/environment.api.ts';
import { buildPage } from '../page/build.ts';
import type { PromotionAnswer } from '../promotions/promotion.api.ts';
import { addStaging, makeSampleRepository } from './sample.ts';
import { provideTools } from './tools.ts';

const PROJECT = 'hello';
const GITHUB = 'example/hello';
/** Whom the page is opened as. */
const USER = 'ada';

const { values: options } = parseArgs({
  options: { exit: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});
const say = (line: string) => {
  if (!options.json) console.log(line);
};

/** What of a build the demo compares. */
interface Made {
  number: number;
  sha256: string;
  treeSha256: string;
}

try {
  await provideTools(say);
  await buildPage(say);
  await demo();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof CommandFailure ? error.exitCode : 1;
}

/** The main job, end to end: a real repository, a genuine signed push, a build, the same bytes again, an old commit, and live it is. */
async function demo(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'reprise-demo-'));
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rmSync(directory, { recursive: true, force: true }));

  const dataDir = join(directory, 'data');
  const root = join(directory, 'servers');
  const repository = join(directory, 'hello');
  const commits = makeSampleRepository(repository);
  say(`A repository with ${commits.length} commits: ${repository}`);

  const token = newToken('rpa');
  const running = await startHere(dataDir, { root, token, undo });
  const server = running.address;
  const client = openClient({ REPRISE_SERVER: server, REPRISE_TOKEN: token });
  await client.json('POST', '/api/users', { login: USER, name: 'Ada Example', role: 'admin' });
  const project = await client.json<{ webhook: { url: string; secret: string } }>('POST', '/api/projects', {
    name: PROJECT,
    cloneUrl: `file://${repository}`,
    github: GITHUB,
  });
  say(`Reprise listens on ${server}; project ${PROJECT} is registered.`);

  const head = commits.at(-1) ?? '';
  const old = commits[0] ?? '';
  const pushed = await deliverPush(project.webhook, head, commits.at(-2) ?? '');
  say(`\nGitHub's push of ${head.slice(0, 12)} is delivered: build #${pushed}.\n`);
  const build = await finish(client, pushed);
  say('\nThe same commit again, from its record:\n');
  const rebuild = await finish(
    client,
    await ask(client, `/${pushed}/rebuild`, { reason: 'Is it the same?' }),
  );
  say(`\nAn old commit, ${old.slice(0, 12)}:\n`);
  const oldBuild = await finish(
    client,
    await ask(client, '', { ref: old.slice(0, 12), reason: 'Can it still be built?' }),
  );

  const live = await promoteToStaging(client, { build, repository, directory: join(root, 'staging') });

  const identical = build.sha256 === rebuild.sha256 && build.treeSha256 === rebuild.treeSha256;
  const { url } = await signInLink(running.services, USER);
  if (options.json) console.log(JSON.stringify({ build, rebuild, identical, old: oldBuild, live, url }));
  say(`\nbuild   #${build.number}  sha256 ${build.sha256}`);
  say(`rebuild #${rebuild.number}  sha256 ${rebuild.sha256}  ${identical ? 'identical' : 'DIFFERENT'}`);
  if (!identical) throw new CommandFailure('The rebuild is not the same bytes.');
  if (options.exit) return;

  say(`\nReprise stays up. Look at it, signed in as ${USER} (the link is good once, for an hour):`);
  say(`  ${url}`);
  say(`In another terminal (the API is described at ${server}/api/openapi.json):`);
  say(`  REPRISE_SERVER=${server} REPRISE_TOKEN=${token} npx reprise status ${PROJECT}`);
  say('Ctrl-C ends it and removes everything.');
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}

async function startHere(
  dataDir: string,
  { root, token, undo }: { root: string; token: string; undo: AsyncDisposableStack },
): Promise<RunningServer> {
  const { config } = parseServerConfig({
    REPRISE_LOG_LEVEL: 'warn',
    REPRISE_DATA_DIR: dataDir,
    REPRISE_PORT: '0',
    REPRISE_GIT_PROTOCOLS: 'file',
    REPRISE_LOCAL_DEPLOY_ROOT: root,
    REPRISE_ADMIN_TOKEN: token,
  });
  if (config === null) throw new Error("The demo's own configuration is not valid.");
  const log = pino({ level: config.logLevel }, pino.destination({ fd: 2, sync: true }));
  const server = await startServer(config, log);
  undo.defer(() => server.close());
  const runner = await startEmbeddedRunner(server, { ...process.env, REPRISE_LOG_LEVEL: 'warn' });
  undo.defer(() => runner.stop());
  return server;
}

/** Sends what GitHub sends for a push to main, signed as GitHub signs. Returns the build's number. */
async function deliverPush(
  webhook: { url: string; secret: string },
  after: string,
  before: string,
): Promise<number> {
  const commit = {
    id: after,
    message: 'Greet the world',
    timestamp: '2026-01-01T02:00:00Z',
    added: [],
    removed: [],
  };
  const body = JSON.stringify({
    ref: 'refs/heads/main',
    before,
    after,
    created: false,
    deleted: false,
    forced: false,
    repository: { id: 1, full_name: GITHUB, default_branch: 'main' },
    pusher: { name: 'ada' },
    sender: { login: 'ada' },
    commits: [{ ...commit, modified: ['pages/index.txt'] }],
    head_commit: {
      ...commit,
      author: { name: 'Ada Example', email: 'ada@example.com' },
      modified: ['pages/index.txt'],
    },
  });
  const response = await fetch(webhook.url, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'push',
      'x-github-delivery': randomUUID(),
      'x-hub-signature-256': await sign(webhook.secret, body),
    },
  });
  const answer = (await response.json()) as { builds?: { number: number }[]; detail?: string };
  const [build] = answer.builds ?? [];
  if (!build)
    throw new CommandFailure(`The webhook was answered ${response.status}: ${JSON.stringify(answer)}`);
  return build.number;
}

async function ask(client: Client, path: string, body: object): Promise<number> {
  return (await client.json<Build>('POST', `/api/projects/${PROJECT}/builds${path}`, body)).number;
}

/** The artifact goes to a directory of this machine as it would go to a server: the same lock, layout, switch and health check. */
async function promoteToStaging(
  client: Client,
  { build, repository, directory }: { build: Made; repository: string; directory: string },
): Promise<object> {
  addStaging(repository, directory);
  say(`\nThe head of main now says where it goes. Build #${build.number} is promoted to staging:\n`);
  const path = `/api/projects/${PROJECT}`;
  const asked = { build: build.number, environment: 'staging', reason: 'Show it' };
  const { id } = await client.json<PromotionAnswer>('POST', `${path}/promotions`, asked);
  const { deployment, artifact, why } = await waitForPromotion(client, PROJECT, id);
  if (deployment?.status !== 'passed') throw new CommandFailure(`The promotion was not carried out: ${why}`);
  say(await (await client.get(`${path}/deployments/${deployment.id}/log`)).text());
  const environment = await client.json<EnvironmentAnswer>('GET', `${path}/environments/staging`);
  say(
    `Live is:\n\n${liveTable([environment])}\n\n${join(directory, 'current')} -> ${readlinkSync(join(directory, 'current'))}`,
  );
  const [host] = environment.hosts;
  const { release = null, version = null, since = null, by = null, reason = null } = host ?? {};
  return {
    environment: environment.name,
    host: host?.host,
    build: build.number,
    version,
    sha256: artifact.sha256,
    release,
    since,
    by,
    reason,
    path: directory,
  };
}

async function finish(client: Client, number: number): Promise<Made> {
  const build = await waitForBuild(client, PROJECT, number, !options.json);
  const [artifact] = build.artifacts;
  if (build.status !== 'passed' || !artifact) {
    throw new CommandFailure(`Build #${number} ended ${build.status}: ${build.why}`);
  }
  say(
    `${artifact.fileName}  ${bytes(artifact.size)}  version ${artifact.version}  sha256 ${artifact.sha256}`,
  );
  return { number, sha256: artifact.sha256, treeSha256: artifact.treeSha256 };
}
