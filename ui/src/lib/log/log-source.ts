import type { LogLines, LogMatches } from '@reprise/server/logs/log.api.ts';

/** What an attempt's log is read through: HTTP for what was written, the live client for what is being written. */
export interface LogSource {
  /** Lines from number `from` on, counted from the end where it is negative; or from the line that holds byte `offset`. */
  lines(what: { from: number } | { offset: number }, count: number, signal: AbortSignal): Promise<LogLines>;
  search(text: string, limit: number, signal: AbortSignal): Promise<LogMatches>;
  /** Bytes from `start` on, at most `length`. */
  bytes(start: number, length: number, signal: AbortSignal): Promise<Uint8Array>;
  /** Brings what follows byte `offset()`, again from there after each reconnect. Returns how to stop. */
  watch(offset: () => number, on: LogListener): () => void;
}

export interface LogListener {
  chunk(offset: number, bytes: Uint8Array, end: boolean): void | Promise<void>;
  refused?(why: string): void;
}

/** A line as it is held. */
export interface Line {
  /** Counts from 1. */
  number: number;
  /** Of its first byte. */
  offset: number;
  /** When its first byte arrived, ms since 1970. */
  at: number;
  text: string;
  /** Bytes of the whole line where `text` is only its beginning; else null. */
  cutFrom: number | null;
}
