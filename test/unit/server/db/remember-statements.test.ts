import { rememberStatements } from '@reprise/server/db/remember-statements.ts';
import { expect, test } from 'vitest';

test('a text is prepared once, and the memory for statements is bounded', () => {
  const prepared: string[] = [];
  const sqlite = rememberStatements({
    close() {},
    prepare(text) {
      prepared.push(text);
      return {
        reader: true,
        all: () => [],
        run: () => ({ changes: 0, lastInsertRowid: 0 }),
        iterate: () => [].values(),
      };
    },
  });
  expect(sqlite.prepare('select 1')).toBe(sqlite.prepare('select 1'));
  expect(prepared).toEqual(['select 1']);
  for (let at = 0; at < 1000; at += 1) sqlite.prepare(`select ${at + 2}`);
  sqlite.prepare('select 1');
  expect(prepared.filter((text) => text === 'select 1').length).toBe(2);
});
