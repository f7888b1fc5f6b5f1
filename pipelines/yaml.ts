import { type Document, Lexer, LineCounter, parseDocument } from 'yaml';
import type { Problem } from './problem.ts';
import { locating, position, type YamlFile } from './yaml-places.ts';
import { YamlReader } from './yaml-reader.ts';

/** At most this many bytes of UTF-8. */
export const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Words, signs and line ends that a file may hold; a file of three thousand lines has fewer. The parser takes up to 2 KiB for
 * each, so that this, and not the size, bounds the memory it needs: a script of any length is one word.
 */
const MAX_TOKENS = 30_000;

const MAX_YAML_PROBLEMS = 5;

/** Reads one YAML document into plain data. Never throws; costs time and memory in proportion to the file's size. */
export function readYaml(
  text: string,
): { file: YamlFile; problems: [] } | { file: null; problems: Problem[] } {
  if (Buffer.byteLength(text) > MAX_FILE_BYTES) {
    return refused('the file is larger than 1 MiB');
  }
  if (hasTooManyTokens(text))
    return refused('the file holds too many values; move scripts into files of their own');
  const lines = new LineCounter();
  let document: Document.Parsed;
  try {
    // Duplicate keys are looked for below: the library compares each key with all before it.
    document = parseDocument(text, {
      version: '1.2',
      schema: 'core',
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
    });
  } catch (error) {
    if (error instanceof RangeError) return refused('the file is nested too deeply');
    throw error;
  }
  // One slip makes the parser stumble again and again: what follows the first few says nothing.
  const problems = [...document.errors, ...document.warnings].slice(0, MAX_YAML_PROBLEMS).map((error) => ({
    ...position(lines, error.pos[0]),
    message: explain(error.code, error.message),
  }));
  if (problems.length > 0) return { file: null, problems };

  const reader = new YamlReader(lines);
  const value = reader.plain(document.contents, 0);
  if (reader.problems.length > 0) return { file: null, problems: reader.problems };
  return { file: locating(value, { document, lines, text, aliases: reader.aliases }), problems: [] };
}

function hasTooManyTokens(text: string): boolean {
  let count = 0;
  for (const _token of new Lexer().lex(text)) {
    count += 1;
    if (count > MAX_TOKENS) return true;
  }
  return false;
}

function refused(message: string): { file: null; problems: Problem[] } {
  return { file: null, problems: [{ line: 1, column: 1, message }] };
}

function explain(code: string, message: string): string {
  if (code === 'MULTIPLE_DOCS')
    return 'a pipeline file holds one YAML document; remove the --- and what follows';
  if (code === 'TAB_AS_INDENT') return 'YAML is indented with spaces, not with tabs';
  if (code === 'TAG_RESOLVE_FAILED') return 'YAML tags are not understood here; remove it';
  if (code === 'BLOCK_AS_IMPLICIT_KEY') {
    return 'this is not valid YAML: a text that holds ": " must stand in quotes or on its own lines below |';
  }
  if (/stack/i.test(message)) return 'the file is nested too deeply here';
  return `this is not valid YAML: ${message}`;
}
