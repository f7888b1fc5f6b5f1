import { didYouMean } from './nearest.ts';

/**
 * The build facts that `${{ … }}` can stand for, each with the environment variable that says the same to a script.
 * Only names and values of `env` may hold them: a fact such as a branch's name must never become part of a command.
 */
export const FACTS = {
  'build.project': 'REPRISE_PROJECT',
  'build.number': 'REPRISE_BUILD',
  'build.url': 'REPRISE_BUILD_URL',
  'build.commit': 'REPRISE_COMMIT',
  'build.ref': 'REPRISE_REF',
  'build.branch': 'REPRISE_BRANCH',
  'build.tag': 'REPRISE_TAG',
  'build.pull-request': 'REPRISE_PULL_REQUEST',
  'build.version': 'REPRISE_VERSION',
  'job.name': 'REPRISE_JOB',
} as const;

export type Fact = keyof typeof FACTS;

export const EXPRESSION_START = '${{';

const EXPRESSION = /\$\{\{([^{}]*)\}\}/g;

/** Puts the facts into a text. What a fact holds is never looked at again. */
export function resolve(text: string, facts: Readonly<Record<Fact, string>>): string {
  return text.replace(EXPRESSION, (whole, inner: string) => {
    const name = inner.trim();
    return isFact(name) ? facts[name] : whole;
  });
}

/** What is wrong with the expressions in a text, each with the part of the text that it is about. */
export function expressionProblems(text: string): { within: string; message: string }[] {
  const problems: { within: string; message: string }[] = [];
  const rest = text.replace(EXPRESSION, (whole, inner: string) => {
    const name = inner.trim();
    if (isFact(name)) return '';
    problems.push({ within: whole, message: `${whole}: ${unknownFact(name)}` });
    return '';
  });
  if (rest.includes(EXPRESSION_START)) {
    problems.push({
      within: EXPRESSION_START,
      message: `an expression is one build fact between \${{ and }}, such as build.commit`,
    });
  }
  return problems;
}

/** The sentence for an expression inside a script: which variable says the same there. */
export function inScriptMessage(script: string): string {
  const first = script.slice(script.indexOf(EXPRESSION_START));
  const name = /^\$\{\{([^{}]*)\}\}/.exec(first)?.[1]?.trim() ?? '';
  const advice = isFact(name)
    ? `write "$${FACTS[name]}" instead`
    : `a script reads build facts from the environment, such as "$REPRISE_COMMIT"`;
  return `\${{ … }} is never replaced inside a script, so that a branch name cannot become a command; ${advice}`;
}

function isFact(name: string): name is Fact {
  return Object.hasOwn(FACTS, name);
}

function unknownFact(name: string): string {
  if (name.startsWith('secrets.')) {
    const secret = name.slice('secrets.'.length);
    return `a secret is a variable of the steps that name it: secrets: [${secret || 'NAME'}]`;
  }
  const known = Object.keys(FACTS);
  const hint = didYouMean(name, known) || `; there are ${known.join(', ')}`;
  return `there is no build fact ${JSON.stringify(name)}${hint}`;
}
