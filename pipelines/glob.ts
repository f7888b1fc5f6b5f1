/**
 * The test of a glob for branches, tags and changed paths. It takes time in proportion to pattern times text and is never a
 * backtracking regular expression: a pattern such as `*a*a*a*a*b` must not hold up the server that decides about pushes.
 * Throws for a pattern that `globProblem` complains about.
 *
 * `*` any characters but `/` · `**` any characters · `**` + `/` any number of whole folders, also none · `?` one character but
 * `/` · `[a-z]`, `[!a-z]` one of, none of · `{a,b}` either · `\` takes the next character literally.
 */
export function compileGlob(pattern: string): (text: string) => boolean {
  const automata = expandBraces(pattern).map(compile);
  return (text) => automata.some((states) => run(states, text));
}

/** What is wrong with a pattern, as the end of a sentence that begins with its name; null when nothing is. */
export function globProblem(pattern: string): string | null {
  if (pattern === '') return 'must not be empty';
  if (pattern.length > LONGEST_PATTERN) return `must have at most ${LONGEST_PATTERN} characters`;
  try {
    for (const plain of expandBraces(pattern)) compile(plain);
    return null;
  } catch (error) {
    if (error instanceof BadGlob) return error.message;
    throw error;
  }
}

const LONGEST_PATTERN = 256;
const MOST_ALTERNATIVES = 16;

class BadGlob extends Error {}

/**
 * One state of the automaton. `one` consumes a character and goes on; `many` consumes any number; `folders` consumes up to and
 * including a slash, again and again; `maybe` goes to the next state and to the one behind it.
 */
type State =
  | { kind: 'one' | 'many'; accepts(char: string): boolean }
  | { kind: 'folders' }
  | { kind: 'maybe' };

const notSlash = (char: string) => char !== '/';

function compile(pattern: string): State[] {
  const states: State[] = [];
  let at = 0;
  while (at < pattern.length) {
    const char = pattern.charAt(at);
    if (pattern.startsWith('**/', at) && (at === 0 || pattern[at - 1] === '/')) {
      states.push({ kind: 'maybe' }, { kind: 'folders' });
      at += 3;
    } else if (pattern.startsWith('**', at)) {
      states.push({ kind: 'many', accepts: () => true });
      at += 2;
    } else if (char === '*') {
      states.push({ kind: 'many', accepts: notSlash });
      at += 1;
    } else if (char === '?') {
      states.push({ kind: 'one', accepts: notSlash });
      at += 1;
    } else if (char === '[') {
      const end = pattern.indexOf(']', at + 2);
      if (end < 0) throw new BadGlob('has a [ that is never closed');
      states.push({ kind: 'one', accepts: oneOf(pattern.slice(at + 1, end)) });
      at = end + 1;
    } else {
      const literal = char === '\\' ? pattern.charAt(at + 1) : char;
      if (literal === '') throw new BadGlob('ends with a \\ that has nothing to protect');
      states.push({ kind: 'one', accepts: (other) => other === literal });
      at += char === '\\' ? 2 : 1;
    }
  }
  return states;
}

/** The test of a bracket's content such as `a-z0-9_` or `!abc`. */
function oneOf(content: string): (char: string) => boolean {
  const negated = content.startsWith('!') || content.startsWith('^');
  const members = negated ? content.slice(1) : content;
  return (char) => {
    if (char === '/') return false;
    for (let at = 0; at < members.length; at += 1) {
      const first = members.charAt(at);
      const isRange = members[at + 1] === '-' && at + 2 < members.length;
      const last = isRange ? members.charAt(at + 2) : first;
      if (char >= first && char <= last) return !negated;
      if (isRange) at += 2;
    }
    return negated;
  };
}

function run(states: readonly State[], text: string): boolean {
  let active = new Set<number>();
  reach(states, active, 0);
  for (let index = 0; index < text.length; index += 1) {
    const char = text.charAt(index);
    const next = new Set<number>();
    for (const at of active) {
      const state = states[at];
      if (state === undefined || state.kind === 'maybe') continue;
      if (state.kind === 'folders') {
        next.add(at);
        if (char === '/') reach(states, next, at + 1);
      } else if (state.accepts(char)) {
        reach(states, next, state.kind === 'many' ? at : at + 1);
      }
    }
    if (next.size === 0) return false;
    active = next;
  }
  return active.has(states.length);
}

/** Adds a state and all that are reached from it without consuming anything. */
function reach(states: readonly State[], active: Set<number>, at: number): void {
  if (active.has(at)) return;
  active.add(at);
  const kind = states[at]?.kind;
  if (kind === 'many' || kind === 'maybe') reach(states, active, at + 1);
  if (kind === 'maybe') reach(states, active, at + 2);
}

/** `a{b,c}d` as `abd` and `acd`, also nested. */
function expandBraces(pattern: string): string[] {
  const done: string[] = [];
  const open = [pattern];
  while (open.length > 0) {
    const current = open.pop() ?? '';
    const group = firstGroup(current);
    if (group === null) done.unshift(current);
    else open.push(...group);
    if (done.length + open.length > MOST_ALTERNATIVES) {
      throw new BadGlob(`has more than ${MOST_ALTERNATIVES} alternatives in braces`);
    }
  }
  return done;
}

/** The pattern once for each alternative of its first outermost braces; null without braces. */
function firstGroup(pattern: string): string[] | null {
  let depth = 0;
  let start = 0;
  const commas: number[] = [];
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern.charAt(at);
    if (char === '\\') {
      at += 1;
    } else if (char === '{') {
      if (depth === 0) start = at;
      depth += 1;
    } else if (char === ',' && depth === 1) {
      commas.push(at);
    } else if (char === '}' && depth > 0) {
      depth -= 1;
      if (depth > 0) continue;
      const cuts = [start, ...commas, at];
      return cuts.slice(1).map((cut, index) => {
        const alternative = pattern.slice((cuts[index] ?? 0) + 1, cut);
        return pattern.slice(0, start) + alternative + pattern.slice(at + 1);
      });
    }
  }
  if (depth > 0) throw new BadGlob('has a { that is never closed');
  return null;
}
