import type { Kysely, Transaction } from 'kysely';
import type { Database, SecretRow } from '../db/schema.ts';
import { purposes, type Vault } from '../vault.ts';

/** Which secrets: those of builds (`null`), or of deployments to one environment. */
export interface SecretPlace {
  projectId: string;
  environment: string | null;
}

/** Every secret of a project, without their values. */
export function listSecrets(
  db: Kysely<Database>,
  projectId: string,
): Promise<Omit<SecretRow, 'value' | 'project_id'>[]> {
  return db
    .selectFrom('secrets')
    .select(['environment', 'name', 'public_key', 'masked', 'updated_by', 'updated_at'])
    .where('project_id', '=', projectId)
    .orderBy('environment')
    .orderBy('name')
    .execute();
}

/** Writes a secret, sealed for its place and name; what was there is replaced. */
export async function putSecret(
  trx: Transaction<Database>,
  vault: Vault,
  o: SecretPlace & { name: string; value: string } & Pick<
      SecretRow,
      'public_key' | 'masked' | 'updated_by' | 'updated_at'
    >,
): Promise<void> {
  const { projectId, environment, name, value, ...facts } = o;
  const row = { ...facts, value: vault.seal(value, purposes.secret(o)) };
  await trx
    .insertInto('secrets')
    .values({ project_id: projectId, environment: environment ?? '', name, ...row })
    .onConflict((oc) => oc.columns(['project_id', 'environment', 'name']).doUpdateSet(row))
    .execute();
}

/** False: there was none. */
export async function deleteSecret(
  trx: Transaction<Database>,
  { projectId, environment, name }: SecretPlace & { name: string },
): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('secrets')
    .where('project_id', '=', projectId)
    .where('environment', '=', environment ?? '')
    .where('name', '=', name)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** The values of those of `names` that there are, in clear: for whoever may have them, at the moment of handing them over. */
export async function revealSecrets(
  db: Kysely<Database>,
  vault: Vault,
  o: SecretPlace & { names: readonly string[] },
): Promise<Record<string, string>> {
  if (o.names.length === 0) return {};
  const rows = await db
    .selectFrom('secrets')
    .select(['name', 'value'])
    .where('project_id', '=', o.projectId)
    .where('environment', '=', o.environment ?? '')
    .where('name', 'in', o.names)
    .execute();
  return Object.fromEntries(
    rows.map(({ name, value }) => [name, vault.open(value, purposes.secret({ ...o, name }))]),
  );
}
