import { z } from 'zod';
import { durationMs } from './duration.ts';
import { globProblem } from './glob.ts';
import { insideProblem } from './paths.ts';

/**
 * The kinds of values that the pipeline language is made of. Each message is the end of a sentence that begins with the
 * value's name, such as `timeout must be a duration such as 20m`.
 */

/** Names of projects, jobs, artifacts, environments and labels. */
export const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

const NAME_RULE =
  'must be a name: 1 to 63 of a-z, 0-9, dot, underscore and dash, beginning with a letter or a digit';

export const name = z.string({ error: NAME_RULE }).regex(NAME, NAME_RULE);

/** A word or a sentence for people. */
export function text(most: number) {
  return z
    .string({ error: 'must be text; put it in quotes if it is' })
    .min(1, 'must not be empty')
    .max(most, `must have at most ${most} characters`);
}

/** A sentence that is shown in lists, so without line breaks and what moves a terminal's cursor. */
export function oneLine(most: number) {
  return text(most).regex(/^[^\x00-\x1f\x7f]*$/, 'must be one line without control characters');
}

export function script(what: string) {
  const rule = `must be ${what}, as text`;
  return z.string({ error: rule }).refine((value) => value.trim() !== '', 'must not be empty');
}

/** Bounds are durations too; both are allowed. */
export function duration(least: string, most: string) {
  const rule = 'must be a duration such as 20m (s, m and h can be used: 90s, 1h30m)';
  return z
    .string({ error: rule })
    .regex(/^(?=.)(?:\d{1,4}h)?(?:\d{1,5}m)?(?:\d{1,6}s)?$/, rule)
    .refine((value) => {
      const ms = durationMs(value);
      return ms === null || (ms >= (durationMs(least) ?? 0) && ms <= (durationMs(most) ?? 0));
    }, `must be between ${least} and ${most}`);
}

export function wholeNumber(least: number, most: number) {
  const rule = `must be a whole number from ${least} to ${most}`;
  return z.int({ error: rule }).min(least, rule).max(most, rule);
}

/** A text inside the workspace or a release, without wildcards. */
export const insidePath = checked(z.string({ error: 'must be a path such as build/output' }), insideProblem);

/** A path or a glob inside the workspace, as artifacts are made of. */
export const insideGlob = checked(
  z.string({ error: 'must be a path or a glob such as dist or "build/**/*.js"' }),
  (value) =>
    value.startsWith('!') ? 'must not begin with "!": list it under exclude instead' : insideProblem(value),
);

/** A branch, tag or path pattern of a filter; a leading `!` excludes. */
export const pattern = checked(z.string({ error: 'must be a pattern such as "release/**"' }), (value) =>
  globProblem(value.replace(/^!/, '')),
);

function checked(schema: z.ZodString, problemOf: (value: string) => string | null) {
  return schema.superRefine((value, context) => {
    const problem = problemOf(value);
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
  });
}

/** One value, or a list of at least one without repetitions. */
export function oneOrMore<T extends z.ZodType<string>>(item: T, what: string, most = 256) {
  return z.union([item, list(item, what, most, 1)], { error: `must be ${what}, or a list of them` });
}

/** A list without repetitions. */
export function list<T extends z.ZodType<string>>(item: T, what: string, most = 256, least = 0) {
  return z
    .array(item, { error: `must be a list; each item is ${what}` })
    .min(least, 'must not be an empty list; leave it out instead')
    .max(most, `must have at most ${most} items`)
    .superRefine((items, context) => {
      for (const [index, value] of items.entries()) {
        if (items.indexOf(value) === index) continue;
        context.addIssue({ code: 'custom', path: [index], message: `repeats ${JSON.stringify(value)}` });
      }
    });
}

/** A map from names of the author's to `value`. */
export function mapOf<K extends z.ZodType<string, string>, V extends z.ZodType>(o: {
  key: K;
  value: V;
  what: string;
  least?: number;
  most: number;
}) {
  return z
    .record(o.key, o.value, { error: `must be a map of ${o.what}` })
    .refine((map) => Object.keys(map).length >= (o.least ?? 0), `must hold at least ${o.least}`)
    .refine((map) => Object.keys(map).length <= o.most, `must hold at most ${o.most}`);
}

/** An object whose keys are all known. */
export function section<S extends z.ZodRawShape>(what: string, shape: S) {
  return z.strictObject(shape, { error: `must be ${what}` });
}
