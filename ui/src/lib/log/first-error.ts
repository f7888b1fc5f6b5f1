import { plainText } from './ansi.ts';

/** How tools say that something went wrong, in the order of how sure that is. */
const PATTERNS: readonly RegExp[] = [
  // Compilers, linters, npm, cargo, go: "file.c:3:5: error: …", "error TS2322:", "error[E0308]", "npm ERR!", "ERROR: …"
  /(^|[\s:[(])(fatal )?error(\[\w+\]| [A-Z]+\d+)?(:|!|\])|\bnpm (ERR!|error)|^E {3}\S/i,
  // Panics, exceptions, signals.
  /^(Traceback \(most recent call last\)|panic: |thread '.*' panicked|fatal: |Unhandled|Uncaught )/,
  /\b([A-Z]\w*)?(Error|Exception): |Segmentation fault|core dumped|Killed$|out of memory/,
  // Test runners: TAP, pytest, go test, vitest, jest, mocha, rspec.
  /^\s*not ok\b|^\s*--- FAIL|^\s*(FAIL|FAILED|FAILURE)\b|\bFAILED\b|^\s*[✗✘✖×❌]|AssertionError/,
  /: (command not found|not found|No such file or directory|Permission denied|cannot )/,
  /\b(error|failed|failure)\b/i,
];

/** Says that nothing went wrong. */
const INNOCENT = /\b(0|no|without|zero) (errors?|failures?|failed)\b|\berrors?:? 0\b|\bfailed:? 0\b/i;

/** The line that most likely says why a step failed: the first of the surest kind. null: none looks like it. */
export function firstError(lines: readonly { number: number; text: string }[]): number | null {
  const read = lines.map(({ number, text }) => ({ number, text: plainText(text.slice(0, 4096)) }));
  const suspects = read.filter(({ text }) => !INNOCENT.test(text));
  for (const pattern of PATTERNS) {
    const found = suspects.find(({ text }) => pattern.test(text));
    if (found) return found.number;
  }
  return null;
}
