import { useShortcuts } from './keys.svelte.ts';

/** The link or button of each row that `j` and `k` go to. */
const ROW = '[data-row]';

/**
 * Rows that are gone through by `j` and `k`: the focus itself moves from one `data-row` element to the next, so that Enter
 * opens what is focused, and a screen reader says where one is. `inside` is where the rows are.
 */
export function useRows(what: string, inside: () => HTMLElement | undefined): void {
  const step = (by: 1 | -1) => {
    const rows = [...(inside()?.querySelectorAll<HTMLElement>(ROW) ?? [])];
    const here = rows.findIndex((row) => row === document.activeElement || isIn(row, document.activeElement));
    const next = here === -1 ? rows[by === 1 ? 0 : rows.length - 1] : rows[here + by];
    next?.focus();
    next?.scrollIntoView({ block: 'nearest' });
  };
  useShortcuts([
    { keys: 'j', does: `Next ${what}`, act: () => step(1) },
    { keys: 'k', does: `Previous ${what}`, act: () => step(-1) },
  ]);
}

/** Whether the focus is elsewhere in the same row, on one of its further links. */
function isIn(row: HTMLElement, focused: Element | null): boolean {
  return row.closest('li, tr')?.contains(focused) ?? false;
}
