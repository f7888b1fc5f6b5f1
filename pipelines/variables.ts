import { z } from 'zod';
import { mapOf } from './values.ts';

/** The environment variables that Reprise sets itself, beside all that begin with `REPRISE`. */
const OWN = ['CI', 'SOURCE_DATE_EPOCH', 'TZ', 'LANG', 'HOME'];

/** Characters of all names and values of one `env` together. Linux gives a process 128 KiB for one variable. */
const MAX_ENV_CHARACTERS = 64 * 1024;

const NAME_RULE = 'must be a name of letters, digits and underscores that does not begin with a digit';

const variable = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, NAME_RULE)
  .superRefine((name, context) => {
    const message = ownVariableProblem(name);
    if (message !== null) context.addIssue({ code: 'custom', message });
  });

const SECRET_RULE =
  'must be the name of a secret such as DATABASE_URL: letters, digits and underscores, and none that Reprise sets itself';

/** A secret's name, which is also the environment variable that holds it. */
export const secretName = z
  .string({ error: SECRET_RULE })
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, SECRET_RULE)
  .refine((name) => ownVariableProblem(name) === null, SECRET_RULE);

/** `env` at any level. Numbers and booleans are taken as they were typed. */
export const env = mapOf({
  key: variable,
  value: z.union([z.string(), z.number(), z.boolean()], {
    error: 'must be text, a number, true or false; write "" for an empty value',
  }),
  what: 'names to values, such as { NODE_ENV: test }',
  most: 256,
})
  .refine(isSmall, `must have at most ${MAX_ENV_CHARACTERS / 1024} Ki characters in all`)
  .describe(`Environment variables. Values may hold build facts such as build.version between \${{ and }}.`);

/** Whether the names and values of one `env` fit. */
export function isSmall(values: Record<string, unknown>): boolean {
  const sizes = Object.entries(values).map(([name, value]) => name.length + String(value).length);
  return sizes.reduce((sum, size) => sum + size, 0) <= MAX_ENV_CHARACTERS;
}

function ownVariableProblem(name: string): string | null {
  if (name === 'PATH') {
    return 'cannot be set here; append a directory to the file $REPRISE_PATH in a step instead';
  }
  if (OWN.includes(name) || name.startsWith('REPRISE')) {
    return 'is set by Reprise itself and the same in every build; choose another name, or set it inside run';
  }
  return null;
}
