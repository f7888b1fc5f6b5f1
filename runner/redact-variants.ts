/** Shorter values are never masked: "none" or "abc" would blank out half a log. */
export const SHORTEST_SECRET = 6;

/**
 * The ways in which tools print a value: as it is, each of its lines, escaped for JSON, a shell or an address, in hex, and
 * in base64 at each of the three positions it can have in a longer text, in both alphabets.
 */
export function variants(value: string): Buffer[] {
  const texts = new Set<string>();
  const lines = value.split(/\r?\n/).map((line) => line.trim());
  for (const text of [value, ...(lines.length > 1 ? lines : [])]) {
    if (Buffer.byteLength(text) < SHORTEST_SECRET) continue;
    const bytes = Buffer.from(text);
    const hex = bytes.toString('hex');
    const percent = encodeURIComponent(text);
    for (const form of [
      text,
      JSON.stringify(text).slice(1, -1),
      text.replaceAll("'", `'\\''`),
      percent,
      percent.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
      percent.replaceAll('%20', '+'),
      hex,
      hex.toUpperCase(),
      ...base64Variants(bytes),
    ])
      if (form.length >= SHORTEST_SECRET) texts.add(form);
  }
  return [...texts].map((text) => Buffer.from(text));
}

/** The characters of a base64 text that depend on the value alone, whatever stands before and after it. */
function base64Variants(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    const first = shift === 0 ? 0 : shift + 1;
    const stable = encoded.slice(first, Math.floor(((shift + bytes.length) * 8) / 6));
    return [stable, stable.replaceAll('+', '-').replaceAll('/', '_')];
  });
}
