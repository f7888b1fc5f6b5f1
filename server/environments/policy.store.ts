import type { Kysely, Transaction } from 'kysely';
import type { Database } from '../db/schema.ts';
import { NO_POLICY, type Policy, policySchema } from './policy.api.ts';

interface Place {
  projectId: string;
  environment: string;
}

/** What an administrator demands of an environment; where nobody has said anything, the least. */
export async function policyOf(db: Kysely<Database>, { projectId, environment }: Place): Promise<Policy> {
  const row = await db
    .selectFrom('policies')
    .select('rules')
    .where('project_id', '=', projectId)
    .where('environment', '=', environment)
    .executeTakeFirst();
  return row ? policySchema.parse(JSON.parse(row.rules)) : NO_POLICY;
}

export async function setPolicy(
  trx: Transaction<Database>,
  { projectId, environment, policy, by, at }: Place & { policy: Policy; by: string; at: number },
): Promise<void> {
  const row = { rules: JSON.stringify(policy), updated_by: by, updated_at: at };
  await trx
    .insertInto('policies')
    .values({ project_id: projectId, environment, ...row })
    .onConflict((oc) => oc.columns(['project_id', 'environment']).doUpdateSet(row))
    .execute();
}
