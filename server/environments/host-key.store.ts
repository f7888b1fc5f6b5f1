import { parseHost } from '@reprise/pipelines/hosts.ts';
import type { Kysely, Transaction } from 'kysely';
import type { Database } from '../db/schema.ts';

/** A host whose keys a person has confirmed. */
export interface PinnedHost {
  host: string;
  /** Type and key: `ssh-ed25519 AAAA…`. */
  keys: string[];
  pinnedBy: string;
  pinnedAt: number;
}

export async function pinnedHosts(db: Kysely<Database>, projectId: string): Promise<PinnedHost[]> {
  const rows = await db
    .selectFrom('host_keys')
    .selectAll()
    .where('project_id', '=', projectId)
    .orderBy('host')
    .execute();
  return rows.map((row) => ({
    host: row.host,
    keys: JSON.parse(row.keys),
    pinnedBy: row.pinned_by,
    pinnedAt: row.pinned_at,
  }));
}

/** Of each of these hosts the lines of `known_hosts` that must hold; a host without pinned keys has none, and is refused. */
export async function pinnedKeys(
  db: Kysely<Database>,
  projectId: string,
  hosts: readonly string[],
): Promise<Record<string, string[]>> {
  const pinned = new Map((await pinnedHosts(db, projectId)).map(({ host, keys }) => [addressOf(host), keys]));
  const remote = hosts.filter((host) => host !== 'local');
  return Object.fromEntries(
    remote.map((host) => {
      const keys = pinned.get(addressOf(host)) ?? [];
      return [host, keys.map((key) => `${knownHostsName(host)} ${key}`)];
    }),
  );
}

export async function pinHost(
  trx: Transaction<Database>,
  o: { projectId: string; host: string; keys: readonly string[]; by: string; at: number },
): Promise<void> {
  const row = { keys: JSON.stringify(o.keys), pinned_by: o.by, pinned_at: o.at };
  await trx
    .insertInto('host_keys')
    .values({ project_id: o.projectId, host: addressOf(o.host), ...row })
    .onConflict((oc) => oc.columns(['project_id', 'host']).doUpdateSet(row))
    .execute();
}

export async function forgetHost(
  trx: Transaction<Database>,
  projectId: string,
  host: string,
): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('host_keys')
    .where('project_id', '=', projectId)
    .where('host', '=', addressOf(host))
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Whoever logs in, the machine is the same: `web1.example:22`. */
export function addressOf(host: string): string {
  const parsed = parseHost(host.includes('@') ? host : `any@${host}`);
  return parsed ? `${parsed.host}:${parsed.port}` : host;
}

/** As OpenSSH writes it (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): the port in brackets unless it is 22. */
function knownHostsName(host: string): string {
  const parsed = parseHost(host);
  if (!parsed) return host;
  return parsed.port === 22 ? parsed.host : `[${parsed.host}]:${parsed.port}`;
}
