import type { Environment } from '@reprise/pipelines/model.ts';
import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { pinnedKeys } from '../environments/host-key.store.ts';
import type { Objection } from '../promotions/rules.ts';
import { listSecrets } from '../secrets/secret.store.ts';
import type { Services } from '../services.ts';
import { SSH_KEY_SECRET } from './assignment.ts';

/**
 * What a deployment to these hosts would lack: secrets that nobody has set, host keys that nobody has confirmed, a root for `local`.
 * Asked before anything is queued, so that it is said to whoever asks and not found on a host. Looks at names only, opens no secret.
 */
export async function whatIsMissing(
  { reader, config }: Pick<Services, 'reader' | 'config'>,
  projectId: string,
  environment: Environment,
): Promise<Objection[]> {
  const { name, hosts, jump } = environment;
  const secrets = await missingSecrets(reader, projectId, environment);
  const unpinned = await unpinnedHosts(reader, projectId, [...hosts, ...(jump ? [jump] : [])]);
  const found: Objection[] = [];
  if (hosts.includes('local') && config.localDeployRoot === null)
    found.push({
      rule: 'hosts',
      sentence: `${name} is on local, which this server does not deploy to: set REPRISE_LOCAL_DEPLOY_ROOT, or name another host.`,
    });
  if (secrets.length > 0)
    found.push({
      rule: 'secrets',
      sentence: `${name} needs ${listed('the secret', secrets)}, which nobody has set: an administrator does, in the project's settings.`,
    });
  if (unpinned.length > 0)
    found.push({
      rule: 'keys',
      sentence: `Nobody has confirmed the keys of ${listed('the host', unpinned)}: an administrator scans and confirms them in the project's settings.`,
    });
  return found;
}

/** Secrets that an environment needs: those that it names, and the key with which hosts are reached. */
export function secretsOf({ secrets, hosts }: Environment): string[] {
  return [...secrets, ...(hosts.some((host) => host !== 'local') ? [SSH_KEY_SECRET] : [])];
}

async function missingSecrets(
  db: Kysely<Database>,
  projectId: string,
  environment: Environment,
): Promise<string[]> {
  const needed = secretsOf(environment);
  if (needed.length === 0) return [];
  const held = await listSecrets(db, projectId);
  const own = held.filter((secret) => secret.environment === environment.name);
  return needed.filter((name) => !own.some((secret) => secret.name === name));
}

async function unpinnedHosts(
  db: Kysely<Database>,
  projectId: string,
  hosts: readonly string[],
): Promise<string[]> {
  const known = await pinnedKeys(db, projectId, hosts);
  return Object.entries(known).flatMap(([host, keys]) => (keys.length === 0 ? [host] : []));
}

function listed(what: string, names: readonly string[]): string {
  return `${what}${names.length === 1 ? '' : 's'} ${names.join(', ')}`;
}
