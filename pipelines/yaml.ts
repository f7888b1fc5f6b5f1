import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
} from 'yaml';
import type { Problem } from './problem.ts';

/** Keys from the root, list items by their index. */
export type Path = readonly (string | number)[];

/** A YAML file as plain data that still knows where each part of it stands. */
export interface YamlFile {
  /** Plain objects, arrays, strings, numbers, booleans and nulls. Keys are always strings. */
  value: unknown;
  /**
   * Where the value at `path` begins; where it does not exist, the nearest thing around it. `key`: its key instead.
   * `within`: the first place in it where that text stands, so that a line inside a script can be pointed at.
   */
  locate(path: Path, o?: { key?: boolean; within?: string }): { line: number; column: number };
  /** A scalar as it was typed: `3.10` stays `3.10`. */
  typed(path: Path): string;
  /** The keys of a map in the file's order, which objects lose for keys such as `10`. */
  keys(path: Path): string[];
}

/** At most this many bytes of UTF-8. */
export const MAX_FILE_BYTES = 1024 * 1024;

/** Nesting that nobody writes by hand; also what an alias to its own surroundings runs into. */
const MAX_DEPTH = 40;

/**
 * Words, signs and line ends that a file may hold; a file of three thousand lines has fewer. The parser takes up to 2 KiB for
 * each, so that this, and not the size, bounds the memory it needs: a script of any length is one word.
 */
const MAX_TOKENS = 30_000;

const MAX_YAML_PROBLEMS = 5;

/** Characters after all aliases are followed, so that a few lines cannot become gigabytes; each value counts as some too. */
const MAX_EXPANDED = 4 * MAX_FILE_BYTES;
const VALUE_COST = 32;

/** Reads one YAML document into plain data. Never throws; costs time and memory in proportion to the file's size. */
export function readYaml(
  text: string,
): { file: YamlFile; problems: [] } | { file: null; problems: Problem[] } {
  if (Buffer.byteLength(text) > MAX_FILE_BYTES) {
    return refused('the file is larger than 1 MiB');
  }
  if (hasTooManyTokens(text))
    return refused('the file holds too many values; move scripts into files of their own');
  const lines = new LineCounter();
  let document: Document.Parsed;
  try {
    // Duplicate keys are looked for below: the library compares each key with all before it.
    document = parseDocument(text, {
      version: '1.2',
      schema: 'core',
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
    });
  } catch (error) {
    if (error instanceof RangeError) return refused('the file is nested too deeply');
    throw error;
  }
  // One slip makes the parser stumble again and again: what follows the first few says nothing.
  const problems = [...document.errors, ...document.warnings].slice(0, MAX_YAML_PROBLEMS).map((error) => ({
    ...position(lines, error.pos[0]),
    message: explain(error.code, error.message),
  }));
  if (problems.length > 0) return { file: null, problems };

  const reader = new Reader(lines);
  const value = reader.plain(document.contents, 0);
  if (reader.problems.length > 0) return { file: null, problems: reader.problems };
  return { file: locating(value, { document, lines, text, aliases: reader.aliases }), problems: [] };
}

function hasTooManyTokens(text: string): boolean {
  let count = 0;
  for (const _token of new Lexer().lex(text)) {
    count += 1;
    if (count > MAX_TOKENS) return true;
  }
  return false;
}

function refused(message: string): { file: null; problems: Problem[] } {
  return { file: null, problems: [{ line: 1, column: 1, message }] };
}

function position(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function explain(code: string, message: string): string {
  if (code === 'MULTIPLE_DOCS')
    return 'a pipeline file holds one YAML document; remove the --- and what follows';
  if (code === 'TAB_AS_INDENT') return 'YAML is indented with spaces, not with tabs';
  if (code === 'TAG_RESOLVE_FAILED') return 'YAML tags are not understood here; remove it';
  if (code === 'BLOCK_AS_IMPLICIT_KEY') {
    return 'this is not valid YAML: a text that holds ": " must stand in quotes or on its own lines below |';
  }
  if (/stack/i.test(message)) return 'the file is nested too deeply here';
  return `this is not valid YAML: ${message}`;
}

/** Walks the parsed document once, in the file's order, which is the order in which anchors hold. */
class Reader {
  readonly problems: Problem[] = [];
  /** What each alias stands for. */
  readonly aliases = new Map<Node, Node>();
  readonly #lines: LineCounter;
  readonly #anchors = new Map<string, Node>();
  readonly #seen = new Set<Node>();
  #expanded = 0;

  constructor(lines: LineCounter) {
    this.#lines = lines;
  }

  plain(node: unknown, depth: number): unknown {
    if (isAlias(node)) {
      const target = this.aliases.get(node) ?? this.#anchors.get(node.source);
      if (target === undefined)
        return this.#refuse(node, `there is no &${node.source} before this *${node.source}`);
      this.aliases.set(node, target);
      return this.plain(target, depth + 1);
    }
    if (!isMap(node) && !isSeq(node) && !isScalar(node)) return null;
    if (!this.#seen.has(node)) {
      this.#seen.add(node);
      if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    }
    this.#expanded += VALUE_COST + (isScalar(node) && typeof node.value === 'string' ? node.value.length : 0);
    if (this.#expanded > MAX_EXPANDED) return this.#refuse(node, 'aliases make the file too large');
    if (depth > MAX_DEPTH) return this.#refuse(node, `more than ${MAX_DEPTH} levels are nested here`);
    if (isScalar(node)) return this.#scalar(node);
    if (isSeq(node)) return this.#all(node.items, (item) => this.plain(item, depth + 1));

    const map: Record<string, unknown> = {};
    this.#all(node.items, (pair) => {
      const key = this.#key(pair.key, node);
      if (key === null) return;
      if (Object.hasOwn(map, key)) this.#refuse(pair.key, `${JSON.stringify(key)} is written twice`);
      map[key] = this.plain(pair.value, depth + 1);
    });
    return map;
  }

  /** Like `map`, but stops at the limit on the size, which would be passed at every further item. */
  #all<T>(items: readonly T[], visit: (item: T) => unknown): unknown[] {
    const all: unknown[] = [];
    for (const item of items) {
      all.push(visit(item));
      if (this.#expanded > MAX_EXPANDED) break;
    }
    return all;
  }

  #scalar(node: Node & { value: unknown }): unknown {
    const { value } = node;
    if (typeof value === 'string' && value.includes('\0'))
      return this.#refuse(node, 'a NUL character stands here');
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return value;
    return this.#refuse(node, 'only text, numbers, true and false can stand here');
  }

  #key(node: unknown, map: Node): string | null {
    if (!isScalar(node)) {
      this.#refuse(isAlias(node) || isMap(node) || isSeq(node) ? node : map, 'a key must be a plain word');
      return null;
    }
    const key = keyText(node);
    this.#expanded += key.length;
    if (key === '<<') {
      this.#refuse(node, 'merge keys (<<) are not supported; an alias can stand for a whole value');
    } else if (key === '__proto__' || key.includes('\0')) {
      this.#refuse(node, 'this cannot be used as a key');
    } else {
      return key;
    }
    return null;
  }

  #refuse(node: unknown, message: string): null {
    const offset = (node as Node).range?.[0] ?? 0;
    this.problems.push({ ...position(this.#lines, offset), message });
    return null;
  }
}

/** A key's text: what was typed for `10` or `true`, which are keys like any other here. */
function keyText(node: Node & { value: unknown; source?: string }): string {
  return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
}

interface Parsed {
  document: Document.Parsed;
  lines: LineCounter;
  text: string;
  aliases: ReadonlyMap<Node, Node>;
}

function locating(value: unknown, { document, lines, text, aliases }: Parsed): YamlFile {
  const follow = (node: unknown): unknown => (isAlias(node) ? follow(aliases.get(node)) : node);

  /** The node and key at a path, or the deepest ones that exist on the way to it. */
  function find(path: Path): { node: unknown; key: Node | null; complete: boolean } {
    let node = follow(document.contents);
    let key: Node | null = null;
    for (const segment of path) {
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && keyText(item.key) === segment);
        if (pair === undefined) return { node, key, complete: false };
        key = pair.key as Node;
        node = follow(pair.value);
      } else if (isSeq(node) && typeof segment === 'number' && segment < node.items.length) {
        key = null;
        node = follow(node.items[segment]);
      } else {
        return { node, key, complete: false };
      }
    }
    return { node, key, complete: true };
  }

  return {
    value,
    locate(path, o = {}) {
      const { node, key, complete } = find(path);
      const isBlank = isScalar(node) && node.value === null && (node.source ?? '') === '';
      const wantsKey = o.key === true || isBlank || (!complete && !isScalar(node));
      const range = ((wantsKey && key !== null ? key : node) as Node | null)?.range;
      let offset = range?.[0] ?? 0;
      if (o.within !== undefined && range) {
        const inside = text.indexOf(o.within, range[0]);
        if (inside >= 0 && inside < range[1]) offset = inside;
      }
      return position(lines, offset);
    },
    typed(path) {
      const { node } = find(path);
      return isScalar(node) ? (node.source ?? String(node.value)) : '';
    },
    keys(path) {
      const { node } = find(path);
      return isMap(node) ? node.items.map((item) => keyText(item.key as Node & { value: unknown })) : [];
    },
  };
}
