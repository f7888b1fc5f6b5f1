/** What one key does on the page that is shown. */
export interface Shortcut {
  /** `j`, `?`, `/`, `Escape`, or two keys one after the other: `g p`. */
  keys: string;
  /** What it does, for the help. */
  does: string;
  act(): void;
}

let current = $state.raw<readonly Shortcut[]>([]);
/** The same, not as state: an effect that ends sees state as it was before, without what took its place meanwhile. */
let latest: readonly Shortcut[] = [];
let before = '';
let beforeAt = 0;
/** Between the two keys of a pair. */
const PAIR_MS = 1200;

/** The shortcuts that work now, those of the innermost component first. */
export function activeShortcuts(): readonly Shortcut[] {
  return current.filter(({ keys }, at) => current.findIndex((other) => other.keys === keys) === at);
}

/** Adds shortcuts while the calling component is shown; a key means what the innermost component says. */
export function useShortcuts(mine: readonly Shortcut[]): void {
  // Before drawing, so that what is outside comes first and is overruled by what is inside it.
  $effect.pre(() => {
    set([...mine, ...latest]);
    return () => set(latest.filter((shortcut) => !mine.includes(shortcut)));
  });
}

function set(shortcuts: readonly Shortcut[]): void {
  latest = shortcuts;
  current = shortcuts;
}

/** Hears every key of the page: nothing is done while somebody types, or with a modifier, or in an open dialog. */
export function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
  const pair = event.timeStamp - beforeAt < PAIR_MS ? `${before} ${event.key}` : '';
  const found = current.find(({ keys }) => keys === pair) ?? current.find(({ keys }) => keys === event.key);
  before = found ? '' : event.key;
  beforeAt = event.timeStamp;
  if (!found) return;
  event.preventDefault();
  found.act();
}

function isTyping({ target }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest('[role="dialog"],[role="menu"],[role="listbox"]')) return true;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}
