import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { parseHost } from '@reprise/pipelines/hosts.ts';
import { Refusal } from '../http/refusal.ts';

const run = promisify(execFile);

/** Seconds that a host has to answer. */
const PATIENCE = 5;

/** The keys that a host shows to whoever asks, `type key` each: to be compared by a person before they are pinned. */
export async function scanHost(host: string): Promise<string[]> {
  const address = parseHost(host);
  if (address === null)
    throw new Refusal(400, 'bad-request', `${host} is no host: write user@host or user@host:port.`);
  const args = ['-T', String(PATIENCE), '-p', String(address.port), '--', address.host];
  const { stdout } = await run('ssh-keyscan', args, { timeout: PATIENCE * 3000 }).catch(() => ({
    stdout: '',
  }));
  const keys = stdout
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(' ').slice(1, 3).join(' '))
    .sort();
  if (keys.length > 0) return keys;
  const sentence = `No ssh server answers at ${address.host} port ${address.port}: check the name, and that it can be reached from here.`;
  throw new Refusal(502, 'fetch-failed', sentence);
}

/** As `ssh-keygen -l` prints it. */
export function fingerprint(key: string): string {
  const bytes = Buffer.from(key.split(' ')[1] ?? '', 'base64');
  return `SHA256:${createHash('sha256').update(bytes).digest('base64').replace(/=+$/, '')}`;
}
