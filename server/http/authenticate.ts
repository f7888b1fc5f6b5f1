import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Kysely } from 'kysely';
import { ANONYMOUS, type Caller, isSignedIn, roleIn } from '../auth/caller.ts';
import { isAtLeast } from '../auth/role.ts';
import type { ServerConfig } from '../config.ts';
import type { Database } from '../db/schema.ts';
import { notFound, Refusal } from './refusal.ts';
import type { Policy } from './route.ts';

const OPERATOR: Caller = { ...ANONYMOUS, kind: 'operator', name: 'operator', role: 'admin' };

/** Finds out who presents a bearer token. null: nobody we know. */
export type Authenticate = (token: string) => Promise<Caller | null>;

/** The administrator's token from the configuration and the runners' from the database, none ever valid as the other. */
export function makeAuthenticate(config: ServerConfig, db: Kysely<Database>): Authenticate {
  const admin = config.adminToken && sha256(config.adminToken.reveal());
  return async (token) => {
    const hash = sha256(token);
    if (admin && timingSafeEqual(hash, admin)) return OPERATOR;
    if (!token.startsWith(RUNNER_TOKEN)) return null;
    const runner = await db
      .selectFrom('runners')
      .selectAll()
      .where('token_hash', '=', hash.toString('hex'))
      .executeTakeFirst();
    return runner ? { ...ANONYMOUS, kind: 'runner', name: `runner ${runner.name}`, runner } : null;
  };
}

/** Prefix of a runner's token, so that one is told from another's at a glance and by secret scanners. */
const RUNNER_TOKEN = 'rpr_';

/** Who sends a request; an absent token is nobody, a wrong one is refused. */
export async function callerOf(request: IncomingMessage, authenticate: Authenticate): Promise<Caller> {
  const header = request.headers.authorization;
  if (header === undefined) return ANONYMOUS;
  const token = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(header)?.[1];
  const caller = token === undefined ? null : await authenticate(token);
  if (caller === null) {
    throw new Refusal(
      401,
      'unauthenticated',
      'This token is not known here. It may have been revoked or mistyped.',
    );
  }
  return caller;
}

/** Refuses a caller that the route's policy does not let in. `project`: the name in the path, where it has one. */
export function authorize(policy: Policy, caller: Caller, project: string | null): void {
  if (policy === 'public') return;
  if (policy === 'runner' ? caller.runner !== null : isSignedIn(caller)) {
    if (policy === 'runner' || policy === 'signed-in') return;
    const role = project === null ? caller.role : roleIn(caller, project);
    if (isAtLeast(role, policy)) return;
    if (project !== null && role === null) throw notFound(`Project ${project}`);
  }
  if (caller.kind === 'anonymous') {
    throw new Refusal(
      401,
      'unauthenticated',
      'Say who you are: send the header "Authorization: Bearer TOKEN".',
    );
  }
  throw new Refusal(403, 'forbidden', `${caller.name} may not do this.`);
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
