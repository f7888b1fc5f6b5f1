import type { Transaction } from 'kysely';
import { greater, isAtLeast, type Role } from '../auth/role.ts';
import type { Database, Promotion } from '../db/schema.ts';

/**
 * How many approvals of a promotion count now: given for exactly what is to be done, by who may still approve. Who was disabled, removed
 * or lost the role since does not count any more. The operator, who has no account, does.
 */
export async function standingApprovals(
  trx: Transaction<Database>,
  promotion: Promotion,
  role: Role,
): Promise<number> {
  const given = await trx
    .selectFrom('approvals')
    .leftJoin('users', 'users.id', 'approvals.approver')
    .leftJoin('memberships', (join) =>
      join
        .onRef('memberships.user_id', '=', 'users.id')
        .on('memberships.project_id', '=', promotion.project_id),
    )
    .select(['approvals.approver', 'approvals.by', 'users.id', 'users.disabled', 'users.role'])
    .select('memberships.role as member')
    .where('approvals.promotion_id', '=', promotion.id)
    .where('approvals.bound_sha256', '=', promotion.bound_sha256)
    .execute();
  return given.filter((one) => {
    // Approved without an account: its name stands where an account's id would.
    if (one.id === null) return one.approver === one.by;
    return !one.disabled && isAtLeast(greater(one.role, one.member), role);
  }).length;
}
