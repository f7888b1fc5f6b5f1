import { createReadStream, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { type AuditHead, auditHeadSchema, type PublicKey } from '../audit/audit.api.ts';
import { verifyAudit } from '../audit/verify.ts';
import { type Client, CommandFailure, refusalOf } from './client.ts';

export interface VerifyAudit {
  since?: string;
  key?: string;
  json?: boolean;
}

/**
 * `reprise verify-audit`: checks the server's audit, or an exported file of it, and that a head kept earlier is still part of it. `client` is asked for
 * only where the server is: a file with a kept key needs none.
 */
export async function checkAudit(
  client: () => Client,
  file: string | undefined,
  o: VerifyAudit,
): Promise<void> {
  const since = o.since === undefined ? null : keptHead(o.since);
  const publicKeys = o.key === undefined ? await keysOf(client()) : [text(o.key)];
  const lines = file === undefined ? await exported(client()) : fromFile(file);
  const verdict = await verifyAudit(lines, { publicKeys, since });
  const { entries, head, problems } = verdict;
  if (o.json) console.log(JSON.stringify({ valid: problems.length === 0, ...verdict }));
  else if (problems.length === 0) {
    const kept = since ? ` The head kept on ${since.at} is part of it.` : '';
    console.log(
      `The audit is whole: ${entries} entries, head ${head?.hash}, signed by ${head?.keyId}.${kept}`,
    );
  } else for (const problem of problems) console.log(problem);
  if (problems.length > 0) throw new CommandFailure('', 1);
}

async function exported(client: Client): Promise<AsyncIterable<string>> {
  const response = await client.get('/api/audit/export');
  if (!response.ok || !response.body) throw await refusalOf(response);
  return linesOf(Readable.fromWeb(response.body), ({ message }) => [
    `The export broke off: ${message}. Try again.`,
    1,
  ]);
}

async function keysOf(client: Client): Promise<string[]> {
  const { items } = await client.json<{ items: PublicKey[] }>('GET', '/api/keys');
  return items.map(({ publicKey }) => publicKey);
}

function fromFile(file: string): AsyncIterable<string> {
  return linesOf(createReadStream(file), ({ message }) => [`${file} cannot be read: ${message}`, 2]);
}

async function* linesOf(
  stream: Readable,
  inWords: (cause: Error) => [sentence: string, exitCode: 1 | 2],
): AsyncGenerator<string> {
  try {
    let rest = '';
    // Not by readline, for which U+2028 within an entry would end a line.
    for await (const text of stream.setEncoding('utf8')) {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
    if (rest !== '') yield rest;
  } catch (cause) {
    throw new CommandFailure(...inWords(cause as Error), { cause });
  }
}

/** A head as `/api/audit/head` answers it, or within what `--json` prints or an export ends with. */
function keptHead(file: string): AuditHead {
  const last = text(file).trim().split('\n').at(-1) ?? '';
  for (const candidate of [text(file), last]) {
    const value = parse(candidate) as { head?: unknown } | null;
    const head = auditHeadSchema.safeParse(value?.head ?? value);
    if (head.success) return head.data;
  }
  throw new CommandFailure(`${file} holds no head of an audit, as GET /api/audit/head answers it.`, 2);
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CommandFailure(`${file} cannot be read: ${(cause as Error).message}`, 2, { cause });
  }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
