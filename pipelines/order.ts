/**
 * Puts what needs others behind what it needs; apart from that the given order stays. Needs that are not among the items
 * are ignored. Where a circle makes that impossible, the circle is named from and to the same item.
 */
export function orderByNeeds<T extends { name: string; needs: readonly string[] }>(
  items: readonly T[],
): { order: T[]; cycle: null } | { order: null; cycle: string[] } {
  const byName = new Map(items.map((item) => [item.name, item]));
  const waiting = new Map(items.map((item) => [item.name, item]));
  const order: T[] = [];
  while (waiting.size > 0) {
    const next = waiting.values().find(({ needs }) => !needs.some((need) => waiting.has(need)));
    if (next === undefined) return { order: null, cycle: findCycle(waiting, byName) };
    waiting.delete(next.name);
    order.push(next);
  }
  return { order, cycle: null };
}

/** All that an item needs, directly or through others, itself not included unless it is part of a circle. */
export function allNeeds(name: string, needsOf: (name: string) => readonly string[]): Set<string> {
  const found = new Set<string>();
  const open = [...needsOf(name)];
  while (open.length > 0) {
    const next = open.pop() ?? '';
    if (found.has(next)) continue;
    found.add(next);
    open.push(...needsOf(next));
  }
  return found;
}

/** Everything in `waiting` waits for something in it, so following the first such need must come back somewhere. */
function findCycle<T extends { name: string; needs: readonly string[] }>(
  waiting: ReadonlyMap<string, T>,
  byName: ReadonlyMap<string, T>,
): string[] {
  const way: string[] = [];
  let at = waiting.keys().next().value ?? '';
  while (!way.includes(at)) {
    way.push(at);
    at = byName.get(at)?.needs.find((need) => waiting.has(need)) ?? at;
  }
  return [...way.slice(way.indexOf(at)), at];
}
