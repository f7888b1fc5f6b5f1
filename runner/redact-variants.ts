import { MASKED_FROM_BYTES as SHORTEST_SECRET } from './wire.ts';

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

/** What of a base64 text depends on the value alone, whatever stands before it: with more text after it, and at the end. */
function base64Variants(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    const atEnd = encoded.slice(shift === 0 ? 0 : shift + 1);
    const bits = (shift + bytes.length) * 8;
    const goingOn = encoded.slice(encoded.length - atEnd.length, Math.floor(bits / 6));
    return [goingOn, atEnd, atEnd.replaceAll('=', '')].flatMap((text) => [
      text,
      text.replaceAll('+', '-').replaceAll('/', '_'),
    ]);
  });
}
