/**
 * The highest element that is made. Chromium cuts at 33,554,428 px, Firefox near 17,900,000; below 2^24 a transform still
 * hits whole pixels.
 */
export const HIGHEST = 15_000_000;

/** At both ends of a scaled log so much is as high as it is, so that an end is reached exactly. */
const EXACT = 1_000_000;

/** What the page's scroll bar covers (`physical`) and what it stands for (`content`), in pixels. */
export interface Scale {
  content: number;
  physical: number;
}

export function scaleOf(content: number): Scale {
  return { content, physical: Math.min(content, HIGHEST) };
}

/** Where in the content the scroll bar's place is. Grows with it; the same at both ends; no scaling below `HIGHEST`. */
export function toContent({ content, physical }: Scale, scrollTop: number): number {
  if (content === physical || scrollTop <= EXACT) return scrollTop;
  if (scrollTop >= physical - EXACT) return content - (physical - scrollTop);
  return EXACT + (scrollTop - EXACT) * factor(content, physical);
}

/** The inverse. */
export function toPhysical({ content, physical }: Scale, top: number): number {
  if (content === physical || top <= EXACT) return top;
  if (top >= content - EXACT) return physical - (content - top);
  return EXACT + (top - EXACT) / factor(content, physical);
}

function factor(content: number, physical: number): number {
  return (content - 2 * EXACT) / (physical - 2 * EXACT);
}
