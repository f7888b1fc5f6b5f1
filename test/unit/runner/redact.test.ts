import { Redactor } from '@reprise/runner/redact.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const SECRET = 'rpg_9vN-x2/Q+7 é&"s';

/** Pushes the text cut at these places, and returns everything that came out. */
function mask(values: string[], text: string | Buffer, cuts: number[] = []): string {
  const bytes = Buffer.from(text as string);
  const redactor = new Redactor(values);
  const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  const out = places
    .slice(1)
    .map((end, index) => Buffer.from(redactor.push(bytes.subarray(places[index], end))));
  return Buffer.concat([...out, redactor.end()]).toString('latin1');
}

const latin1 = (text: string) => Buffer.from(text).toString('latin1');

describe('a value', () => {
  const base64 = Buffer.from(SECRET).toString('base64');
  const forms: [string, string][] = [
    ['as it is', SECRET],
    ['in JSON', JSON.stringify(SECRET).slice(1, -1)],
    ['in an address', encodeURIComponent(SECRET)],
    ['in hex', Buffer.from(SECRET).toString('hex')],
    ['in capital hex', Buffer.from(SECRET).toString('hex').toUpperCase()],
    ['in base64', base64],
    ['in the base64 of addresses', Buffer.from(SECRET).toString('base64url')],
  ];

  test.each(forms)('is masked %s, wherever it is cut', (_, form) => {
    const text = Buffer.from(`before ${form} after`);
    for (let cut = 0; cut <= text.length; cut += 1) {
      expect(mask([SECRET], text, [cut])).toBe('before *** after');
    }
  });

  test.each(['x', 'xy', 'xyz', 'user:', 'https://reprise:'])(
    'is masked in the base64 of a text that begins with %j',
    (before) => {
      for (const after of ['', 'z', 'zz', '@host']) {
        const encoded = Buffer.from(before + SECRET + after).toString('base64');
        const shown = mask([SECRET], `<${encoded}>`);
        expect(shown).toContain('***');
        expect(shown.length).toBeLessThan(encoded.length - base64.length + 12);
      }
    },
  );

  test('of several lines is masked as a whole and line by line', () => {
    const key = 'first line of it\nsecond line of it\nx';
    expect(mask([key], key)).toBe('***');
    expect(mask([key], 'a\r\nsecond line of it\r\nb')).toBe('a\r\n***\r\nb');
  });

  test('shorter than six bytes is not masked', () => {
    expect(mask(['none'], 'none of it')).toBe('none of it');
  });

  test('that overlaps another becomes one mask', () => {
    expect(mask(['abcdefgh', 'efghijkl'], '-abcdefghijkl-')).toBe('-***-');
  });

  test('that begins another is masked, and so is the longer one', () => {
    const values = ['secret-one', 'secret-one-and-more'];
    expect(mask(values, 'secret-one-and-more', [12])).toBe('***');
    expect(mask(values, 'secret-one-and-less', [12])).toBe('***-and-less');
    expect(mask(values, 'secret-one-and')).toBe('***-and');
  });

  test('is masked twice where it stands twice', () => {
    expect(mask(['secret-one'], 'secret-onesecret-one')).toBe('******');
  });
});

describe('everything else', () => {
  test('comes out at once unless it could be the beginning of a value', () => {
    const redactor = new Redactor(['secret-one']);
    expect(redactor.push(Buffer.from('a line\n')).toString()).toBe('a line\n');
    expect(redactor.push(Buffer.from('sec')).toString()).toBe('');
    expect(redactor.push(Buffer.from('tor\n')).toString()).toBe('sector\n');
  });

  test('is handed through without a copy when there is nothing to mask', () => {
    const chunk = Buffer.from('anything');
    expect(new Redactor([]).push(chunk)).toBe(chunk);
  });

  test('is the same bytes, however it is cut', () => {
    const small = fc.constantFrom('a', 'b', 's', 'se', 'sec', '\n', 'é', '***');
    const text = fc.array(small, { maxLength: 60 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.array(fc.nat(80)), (given, cuts) => {
        const places = cuts.map((cut) => cut % (Buffer.byteLength(given) + 1));
        expect(mask(['secret-one', 'second'], given, places)).toBe(latin1(given));
      }),
    );
  });

  test('around values is the same as replacing them in the whole text', () => {
    const values = ['abcabd', 'bcabdx', 'aaaaaab'];
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd', 'x'), maxLength: 40 });
    const text = fc
      .array(fc.oneof(letters, fc.constantFrom(...values)), { maxLength: 8 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.array(fc.nat(400), { maxLength: 10 }), (given, cuts) => {
        const places = cuts.map((cut) => cut % (given.length + 1));
        expect(mask(values, given, places)).toBe(replaced(values, given));
      }),
      { numRuns: 2000 },
    );
  });
});

/** The plain definition: what any occurrence covers is masked, each connected piece once. */
function replaced(values: string[], text: string): string {
  let out = '';
  let maskedTo = 0;
  for (let at = 0; at < text.length; at += 1) {
    const longest = Math.max(
      0,
      ...values.filter((value) => text.startsWith(value, at)).map((value) => value.length),
    );
    if (longest > 0 && at >= maskedTo) out += '***';
    maskedTo = Math.max(maskedTo, at + longest);
    if (at >= maskedTo) out += text[at];
  }
  return out;
}
