/** What an administrator demands of an environment. The pipeline file, which every developer can change, may only tighten it. */
import { z } from 'zod';
import { roleSchema } from '../auth/account.api.ts';

/** `deployer` or `admin`: less may never promote. */
const decider = roleSchema.extract(['deployer', 'admin']);

export const policySchema = z
  .strictObject({
    approvals: z.number().int().min(0).max(10).default(0).describe('How many others must approve at least.'),
    promoters: decider.default('deployer').describe('Who may ask.'),
    approvers: decider.default('deployer').describe('Who may approve.'),
    hosts: z
      .array(z.string().min(1).max(255))
      .max(64)
      .nullable()
      .default(null)
      .describe('Patterns of the hosts that may be deployed to, such as deploy@*.prod.example; null: any.'),
    branches: z
      .array(z.string().min(1).max(255))
      .max(64)
      .nullable()
      .default(null)
      .describe('Patterns of the branches that may go there; null: any.'),
    reproducible: z
      .literal('required')
      .nullable()
      .default(null)
      .describe('Only artifacts that a rebuild has made again, byte for byte.'),
  })
  .meta({ id: 'Policy' });
export type Policy = z.infer<typeof policySchema>;

/** Where none is set. */
export const NO_POLICY: Policy = policySchema.parse({});
