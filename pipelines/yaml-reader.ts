import { isAlias, isMap, isScalar, isSeq, type LineCounter, type Node } from 'yaml';
import type { Problem } from './problem.ts';
import { keyText, position } from './yaml-places.ts';

/** Nesting that nobody writes by hand; also what an alias to its own surroundings runs into. */
const MAX_DEPTH = 40;

/** Characters after all aliases are followed, so that a few lines cannot become gigabytes; each value counts as some too. */
const MAX_EXPANDED = 4 * 1024 * 1024;
const VALUE_COST = 32;

/** Walks the parsed document once, in the file's order, which is the order in which anchors hold. */
export class YamlReader {
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
