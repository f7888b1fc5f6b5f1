import express, { type Request, type Response, type Router } from 'express';
import { announceNew } from '../builds/announce.ts';
import type { Project } from '../db/schema.ts';
import { Refusal } from '../http/refusal.ts';
import type { Services } from '../services.ts';
import { purposes } from '../vault.ts';
import { type GithubEvent, readEvent } from './event.ts';
import { gather } from './gather.ts';
import { malformed, parsePayload } from './payload.ts';
import { rawBodyReader } from './raw-body.ts';
import { type Receipt, type Received, receive } from './receive.ts';
import { isSignedBy } from './signature.ts';

/** GitHub sends no larger payload, and gives up on an answer after ten seconds (docs.github.com, "Best practices"). */
const MIB = 1024 ** 2;
const LIMITS = { limit: 25 * MIB, timeoutMs: 10_000, small: MIB, mostHeld: 100 * MIB };

/** What of the server a webhook touches. */
type Needed = Pick<Services, 'config' | 'db' | 'reader' | 'live' | 'log' | 'now' | 'planner' | 'vault'>;
type Known = Pick<Project, 'id' | 'name' | 'github' | 'webhook_secret'>;

/**
 * `POST /webhooks/github/:project` with the project's secret, `POST /webhooks/github` with the instance's. Signature first, over
 * the raw bytes; then one transaction; then the answer. No git, no forge, nothing slow before it.
 */
export function githubWebhooks(services: Needed): Router {
  const readBody = rawBodyReader(LIMITS);
  const keep = gather((batch: Received[]) => receive(services.db, batch));
  const secretOf = openedSecrets(services);
  const router = express.Router();
  router.post('/webhooks/github/:project', async (request, response) => {
    const body = await readBody(request);
    const project = await projectByName(services, request.params.project);
    // An unknown project costs the same check as a known one, against a secret that nobody has.
    const secret = project ? secretOf(project) : UNKNOWN;
    const signed = isSignedBy(secret, body, request.get('x-hub-signature-256'));
    if (!project || !signed) throw notSigned(services, request, project ? 'signature' : 'unknown project');
    const { guid, event } = readDelivery(request, body);
    refuseForeignRepository(project, event);
    const receipt = await keep({ guid, event, projects: [project], now: services.now() });
    respond(services, response, { guid, event, receipt });
  });
  router.post('/webhooks/github', async (request, response) => {
    const body = await readBody(request);
    const secret = services.config.githubWebhookSecret?.reveal();
    const signed = isSignedBy(secret ?? UNKNOWN, body, request.get('x-hub-signature-256'));
    if (secret === undefined) throw notSigned(services, request, 'no instance secret is set');
    if (!signed) throw notSigned(services, request, 'signature');
    const { guid, event } = readDelivery(request, body);
    const projects = await projectsOf(services, event.repository);
    if (event.repository !== null && projects.length === 0) {
      throw notSigned(services, request, `no project has the repository ${event.repository}`);
    }
    const receipt = await keep({ guid, event, projects, now: services.now() });
    respond(services, response, { guid, event, receipt });
  });
  return router;
}

const UNKNOWN = crypto.randomUUID();

function readDelivery(request: Request, body: Buffer): { guid: string; event: GithubEvent } {
  const name = header(request, 'X-GitHub-Event');
  const guid = header(request, 'X-GitHub-Delivery');
  const payload = parsePayload(body, request.get('content-type'));
  const { event, problems } = readEvent(name, payload);
  if (event) return { guid, event };
  const [first] = problems;
  throw new Refusal(400, 'bad-request', `${first?.field}: ${first?.message}.`, { errors: problems });
}

function header(request: Request, name: string): string {
  const value = request.get(name);
  if (value !== undefined && /^[\x21-\x7e]{1,128}$/.test(value)) return value;
  throw malformed(name, value === undefined ? 'is missing among the headers' : 'is not what GitHub sends');
}

function respond(
  services: Needed,
  response: Response,
  { guid, event, receipt }: { guid: string; event: GithubEvent; receipt: Receipt },
): void {
  const { isNew, builds, ignored } = receipt;
  services.live.changed('deliveries');
  if (isNew) announceNew(services, builds);
  if (builds.length > 0) {
    response.status(isNew ? 202 : 200).json({ delivery: guid, builds });
    return;
  }
  const why = ignored ?? ('ignored' in event.outcome ? event.outcome.ignored : 'No project builds this.');
  response.json({ delivery: guid, ignored: why });
}

/** The secret proves the project; that the payload is about that project's repository must be proved as well. */
function refuseForeignRepository(project: Known, { repository }: GithubEvent): void {
  if (project.github === null || repository === null) return;
  if (project.github.toLowerCase() === repository.toLowerCase()) return;
  throw new Refusal(
    403,
    'forbidden',
    `The project ${project.name} builds ${project.github}, not ${repository}: give that repository a project of its own.`,
  );
}

/** One answer for every reason, so that a stranger learns nothing; the operator's log tells them apart. */
function notSigned({ log }: Needed, request: Request, why: string): Refusal {
  const delivery = request.get('x-github-delivery');
  log.warn({ path: request.path, delivery, why }, 'A webhook was refused');
  return new Refusal(
    401,
    'unauthenticated',
    'X-Hub-Signature-256 does not match. Check the address and the secret of this webhook.',
  );
}

/** More projects than this and their secrets are opened anew now and then. */
const MOST_OPENED = 1000;

/** Opens each sealed secret once: a rotated one is sealed anew, and so is another text. */
function openedSecrets({ vault }: Needed): (project: Known) => string {
  const opened = new Map<string, string>();
  return ({ id, webhook_secret: sealed }) => {
    const held = opened.get(sealed);
    if (held !== undefined) return held;
    const secret = vault.open(sealed, purposes.webhookSecret(id));
    if (opened.size >= MOST_OPENED) opened.clear();
    opened.set(sealed, secret);
    return secret;
  };
}

function projectByName({ reader }: Needed, name: string): Promise<Known | undefined> {
  return reader
    .selectFrom('projects')
    .select(['id', 'name', 'github', 'webhook_secret'])
    .where('name', '=', name)
    .executeTakeFirst();
}

async function projectsOf({ reader }: Needed, repository: string | null): Promise<Known[]> {
  if (repository === null) return [];
  return reader
    .selectFrom('projects')
    .select(['id', 'name', 'github', 'webhook_secret'])
    .where((is) => is(is.fn<string>('lower', ['github']), '=', repository.toLowerCase()))
    .orderBy('name')
    .execute();
}
