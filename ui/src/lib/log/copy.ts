/** Marks the element that holds a line's text, beside its number and time. */
export const TEXT_ATTRIBUTE = 'data-log-text';

/** What is selected of the lines inside an element: their text alone, a line each. null: nothing of them. */
export function selectedText(selection: Selection, inside: Element): string | null {
  if (selection.isCollapsed || selection.rangeCount === 0) return null;
  const range = selection.getRangeAt(0);
  const parts = [...inside.querySelectorAll(`[${TEXT_ATTRIBUTE}]`)]
    .filter((element) => range.intersectsNode(element))
    .map((element) => partOf(range, element));
  // A selection of whole lines ends at the beginning of the next.
  if (parts.length > 1 && parts.at(-1) === '') parts.pop();
  return parts.length > 0 ? parts.join('\n') : null;
}

function partOf(range: Range, element: Element): string {
  const part = document.createRange();
  part.selectNodeContents(element);
  if (element.contains(range.startContainer)) part.setStart(range.startContainer, range.startOffset);
  if (element.contains(range.endContainer)) part.setEnd(range.endContainer, range.endOffset);
  return part.toString();
}
