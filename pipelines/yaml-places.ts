import { type Document, isAlias, isMap, isScalar, isSeq, type LineCounter, type Node } from 'yaml';

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

interface Parsed {
  document: Document.Parsed;
  lines: LineCounter;
  text: string;
  aliases: ReadonlyMap<Node, Node>;
}

/** Puts the plain data of a document together with where its parts stand. */
export function locating(value: unknown, { document, lines, text, aliases }: Parsed): YamlFile {
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

/** An offset as line and column, both from 1. */
export function position(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

/** A key's text: what was typed for `10` or `true`, which are keys like any other here. */
export function keyText(node: Node & { value: unknown; source?: string }): string {
  return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
}
