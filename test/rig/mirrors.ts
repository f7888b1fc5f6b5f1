import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '@reprise/server/db/id.ts';
import type { Project } from '@reprise/server/db/schema.ts';
import { Mirrors } from '@reprise/server/git/mirrors.ts';
import { purposes, Vault } from '@reprise/server/vault.ts';
import { pino } from 'pino';
import { tempDir } from './temp.ts';

/** Mirrors on a fresh data directory, over every transport: `await using rig = new MirrorRig()`. */
export class MirrorRig implements AsyncDisposable {
  readonly dir = tempDir();
  readonly vault = Vault.open(this.dir.join('data'), null);
  readonly #lines: string[] = [];
  readonly log = pino({ level: 'trace' }, { write: (line) => void this.#lines.push(line) });
  mirrors = this.open();

  /** Mirrors on the same directory, as after a restart. */
  open(o: { protocols?: string[]; path?: string } = {}): Mirrors {
    this.mirrors = new Mirrors({
      dir: this.dir.join('data/mirrors'),
      protocols: o.protocols ?? ['https', 'http', 'ssh', 'file'],
      vault: this.vault,
      log: this.log,
      environment: { PATH: o.path ?? process.env['PATH'] },
    });
    return this.mirrors;
  }

  /** Opens the mirrors with a git that notes its arguments first; returns what was noted since, a line per process. */
  openNoting(): () => string[] {
    const [bin, notes] = [this.dir.join('bin'), this.dir.join('notes')];
    const git = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim();
    mkdirSync(bin);
    writeFileSync(notes, '');
    const script = `#!/bin/sh\necho "$*" >> '${notes}'\nexec ${git} "$@"\n`;
    writeFileSync(join(bin, 'git'), script, { mode: 0o755 });
    this.open({ path: `${bin}:${process.env['PATH']}` });
    return () => {
      const lines = readFileSync(notes, 'utf8').split('\n').filter(Boolean);
      writeFileSync(notes, '');
      return lines;
    };
  }

  /** A project's row; a secret is sealed as the server does. */
  project(cloneUrl: string, credential?: { kind: 'token' | 'deploy-key'; secret: string }): Project {
    const id = newId();
    return {
      id,
      name: 'shop',
      clone_url: cloneUrl,
      github: null,
      default_branch: null,
      webhook_secret: '',
      credential_kind: credential?.kind ?? 'none',
      credential: credential ? this.vault.seal(credential.secret, purposes.credential(id)) : null,
      public_key: null,
      last_build_number: 0,
      created_at: 0,
      public: 0,
      retention: null,
      held_builds: 0,
      held_bytes: 0,
    };
  }

  /** Everything the operator's log says so far. */
  logged(): string {
    return this.#lines.join('');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mirrors.close();
    this.dir[Symbol.dispose]();
  }
}
