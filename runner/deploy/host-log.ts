/** A line of a command longer than this is cut into several. */
const LONGEST_LINE = 16 * 1024;

/** One host's part of the deployment's log: each line begins with the host's name, so that what several hosts say can be told apart. */
export class HostLog {
  readonly #label: string;
  readonly #write: (bytes: Uint8Array) => void | Promise<void>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(label: string, write: (bytes: Uint8Array) => void | Promise<void>) {
    this.#label = label;
    this.#write = write;
  }

  /** A sentence of Reprise's own. */
  say(sentence: string): void {
    this.flush();
    void this.#write(Buffer.from(`${this.#label}  ${sentence}\n`));
  }

  /** Output of a command, in pieces of any size; a promise when the log cannot take more for now. */
  readonly output = (bytes: Buffer): void | Promise<void> => {
    let rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes;
    const lines: Buffer[] = [];
    for (;;) {
      const end = rest.indexOf(10);
      const length = end >= 0 && end <= LONGEST_LINE ? end : LONGEST_LINE;
      if (end < 0 && rest.length < LONGEST_LINE) break;
      lines.push(rest.subarray(0, length));
      rest = rest.subarray(end === length ? length + 1 : length);
    }
    // A copy: the memory is the stream's.
    this.#rest = Buffer.from(rest);
    return lines.length === 0 ? undefined : this.#write(Buffer.concat(lines.map((line) => this.#line(line))));
  };

  /** The last line, when it was not ended. */
  flush(): void {
    if (this.#rest.length === 0) return;
    void this.#write(this.#line(this.#rest));
    this.#rest = Buffer.alloc(0);
  }

  #line(bytes: Buffer): Buffer {
    return Buffer.concat([Buffer.from(`${this.#label} | `), bytes, Buffer.from('\n')]);
  }
}
