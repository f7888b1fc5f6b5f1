import { packet, packOf } from '@reprise/runner/checkout/packets.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const data = (bytes: Buffer, band = 1) => {
  const length = (bytes.length + 5).toString(16).padStart(4, '0');
  return Buffer.concat([Buffer.from(length), Buffer.from([band]), bytes]);
};

async function* chunks(bytes: Buffer, cuts: number[]): AsyncGenerator<Buffer> {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  for (let index = 1; index < places.length; index += 1)
    yield bytes.subarray(places[index - 1], places[index]);
}

async function read(bytes: Buffer, cuts: number[] = []): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of packOf(chunks(bytes, cuts))) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

test('a packet line begins with its length, itself included', () => {
  expect(packet('done\n')).toBe('0009done\n');
  expect(packet('é')).toBe('0006é');
});

describe('the pack in an answer', () => {
  test('is its data, without progress, however the answer is cut', async () => {
    const parts = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(parts, fc.array(fc.nat(500), { maxLength: 8 }), async (given, cuts) => {
        const bytes = given.map((part) => Buffer.from(part));
        const answer = Buffer.concat([
          Buffer.from(packet('packfile\n')),
          data(Buffer.from('counting'), 2),
          ...bytes.map((part) => data(part)),
          Buffer.from('0000'),
        ]);
        expect((await read(answer, cuts)).equals(Buffer.concat(bytes))).toBe(true);
      }),
    );
  });

  test.each([
    [
      'breaks off',
      Buffer.concat([Buffer.from(packet('packfile\n')), data(Buffer.from('half'))]),
      'broke off',
    ],
    ['is a complaint', Buffer.from(packet('ERR upload-pack: not our ref 1234')), 'not our ref 1234'],
    [
      'complains at last',
      Buffer.concat([Buffer.from(packet('packfile\n')), data(Buffer.from('no'), 3)]),
      'git said no',
    ],
    ['is a page', Buffer.from('<html>'), 'not of the protocol'],
    ['has another section', Buffer.from(packet('acknowledgments\n')), 'acknowledgments'],
  ])('that %s is an error', async (_, answer, message) => {
    await expect(read(answer)).rejects.toThrow(message);
  });
});
