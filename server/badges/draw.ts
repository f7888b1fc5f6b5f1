/** What a badge can say, as `builds.status` has it; null: nothing was ever built to an end. */
export type Verdict = 'passed' | 'failed' | 'errored' | null;

/** White letters on each have a contrast of at least 4.5 (WCAG 2.2, 1.4.3). */
const COLOURS = { passed: '#1a7f37', failed: '#cf222e', errored: '#a04100' } as const;
const UNKNOWN = '#59636e';

const LABEL = 'build';
const HEIGHT = 20;
const PADDING = 7;

/** A badge as SVG: how `what` (a project and its branch) stands. No script, no style sheet, nothing fetched. */
export function drawBadge(what: string, verdict: Verdict): string {
  const word = verdict ?? 'no build';
  const colour = verdict === null ? UNKNOWN : COLOURS[verdict];
  const left = textWidth(LABEL) + 2 * PADDING;
  const right = textWidth(word) + 2 * PADDING;
  const width = left + right;
  const title = escapeXml(`${what}: ${word}`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${HEIGHT}" role="img" aria-label="${title}">
<title>${title}</title>
<clipPath id="r"><rect width="${width}" height="${HEIGHT}" rx="4"/></clipPath>
<g clip-path="url(#r)">
<rect width="${left}" height="${HEIGHT}" fill="#30363d"/>
<rect x="${left}" width="${right}" height="${HEIGHT}" fill="${colour}"/>
</g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">
${writing(LABEL, PADDING)}
${writing(word, left + PADDING)}
</g>
</svg>
`;
}

/** Told how wide it must be, so that it fits whatever font there is. */
function writing(text: string, x: number): string {
  const length = textWidth(text);
  return `<text x="${x}" y="14" textLength="${length}" lengthAdjust="spacingAndGlyphs">${escapeXml(text)}</text>`;
}

/** Of 11-pixel Verdana, near enough: narrow letters, spaces, and all others. */
function textWidth(text: string): number {
  let width = 0;
  for (const letter of text) width += /[fijlrt ]/.test(letter) ? 4 : 7;
  return width;
}

/** Text and attribute values of XML 1.0, which knows no control characters and no unpaired surrogates. */
export function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\t\n\r\x20-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
