/** One packet line of git's wire protocol: its text's length in four hex digits, then the text. */
export function packet(text: string): string {
  return (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text;
}

export const DELIMITER = '0001';
export const FLUSH = '0000';

/**
 * The pack in a server's answer to `command=fetch` of protocol version 2: a line `packfile`, then packets of which the first
 * byte tells data (1), progress (2) and a last complaint (3). Throws on the complaint, on any other section, and when the
 * answer breaks off.
 */
export async function* packOf(answer: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let begun = false;
  for await (const payload of payloads(answer)) {
    if (payload === null) return;
    if (!begun) {
      if (payload.toString('latin1') !== 'packfile\n')
        throw new Error(`git said ${payload.toString().trim()}`);
      begun = true;
    } else if (payload[0] === DATA) yield payload.subarray(1);
    else if (payload[0] === COMPLAINT) throw new Error(`git said ${payload.subarray(1).toString().trim()}`);
  }
  throw new Error('the pack broke off');
}

const DATA = 1;
const COMPLAINT = 3;

/** `null` is the packet that ends the answer. */
async function* payloads(answer: AsyncIterable<Buffer>): AsyncGenerator<Buffer | null> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of answer) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 4) {
      const length = Number.parseInt(rest.toString('latin1', 0, 4), 16);
      if (Number.isNaN(length)) throw new Error('the answer is not of the protocol');
      if (rest.length < length) break;
      if (length >= 4) yield rest.subarray(4, length);
      else if (length === 0) yield null;
      rest = rest.subarray(Math.max(4, length));
    }
  }
}
