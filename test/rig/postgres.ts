import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { openPostgres } from '@reprise/server/db/postgres.ts';
import { Secret } from '@reprise/server/secret.ts';
import pg from 'pg';
import { tempDir } from './temp.ts';

const VERSIONS = '/usr/lib/postgresql';

/** A private PostgreSQL on a socket in a directory of its own. It is not made to survive a power cut, only its own end. */
export class PostgresServer implements AsyncDisposable {
  readonly #dir = tempDir();
  #child: ChildProcess | undefined;
  #made = 0;

  static async start(): Promise<PostgresServer> {
    const server = new PostgresServer();
    server.#initialize();
    await server.startAgain();
    return server;
  }

  /** Where its databases are: what `PostgresDatabases` needs. */
  get socket(): string {
    return this.#dir.join('socket');
  }

  async startAgain(): Promise<void> {
    const words = ['-D', this.#dir.join('data'), '-c', `unix_socket_directories=${this.socket}`];
    const settings = ['listen_addresses=', 'fsync=off', 'full_page_writes=off', 'max_connections=400'];
    for (const setting of settings) words.push('-c', setting);
    // The kernel ends it with this process, however that ends.
    const child = spawn('setpriv', [...asPostgres(), '--pdeathsig', 'KILL', program('postgres'), ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (/ready to accept connections/.test(line)) resolve();
    });
    child.once('error', reject).once('exit', () => reject(new Error('PostgreSQL ended.')));
    await promise;
  }

  /** Gone at once, as in a crash. */
  async crash(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGQUIT');
    await ended;
  }

  /** A new database with Reprise's tables; its address. */
  freshDatabase(): Promise<string> {
    this.#made += 1;
    return freshDatabase(this.socket, `test_${this.#made}`);
  }

  /** A new database with nothing in it; its address. */
  async emptyDatabase(): Promise<string> {
    this.#made += 1;
    const name = `empty_${this.#made}`;
    await withClient(this.socket, async (client) => {
      await client.query(`create database ${name}`);
    });
    return addressOf(this.socket, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crash();
    this.#dir[Symbol.dispose]();
  }

  #initialize(): void {
    const data = this.#dir.join('data');
    chmodSync(this.#dir.path, 0o755);
    for (const path of [data, this.socket]) {
      mkdirSync(path, { mode: 0o700 });
      const [uid, gid] = idsOfPostgres();
      if (process.getuid?.() === 0) chownSync(path, uid, gid);
    }
    chmodSync(this.socket, 0o755);
    const options = ['--username=postgres', '--encoding=UTF8', '--locale=C', '--auth=trust', '--no-sync'];
    execFileSync('setpriv', [...asPostgres(), program('initdb'), '-D', data, ...options], {
      stdio: 'ignore',
    });
  }
}

/** Of a server at `socket`: a new database that has every table, copied from one that was made once. */
export async function freshDatabase(socket: string, name: string): Promise<string> {
  await withClient(socket, async (client) => {
    // Tests that run side by side ask at the same time.
    await client.query('select pg_advisory_lock(1)');
    const { rowCount } = await client.query("select from pg_database where datname = 'template_reprise'");
    if (rowCount === 0) {
      await client.query('create database making_reprise');
      const { close } = await openPostgres(new Secret(addressOf(socket, 'making_reprise')));
      await close();
      await client.query('alter database making_reprise rename to template_reprise');
    }
    await client.query(`create database ${name} template template_reprise`);
  });
  return addressOf(socket, name);
}

async function withClient(socket: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: addressOf(socket, 'postgres') });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function addressOf(socket: string, database: string): string {
  return `postgres://postgres@/${database}?host=${encodeURIComponent(socket)}`;
}

function program(name: string): string {
  const [newest] = readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a));
  return `${VERSIONS}/${newest}/bin/${name}`;
}

/** It refuses to run as root; Debian's package makes a user for it. */
function asPostgres(): string[] {
  if (process.getuid?.() !== 0) return [];
  const [uid, gid] = idsOfPostgres();
  return [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
}

function idsOfPostgres(): [number, number] {
  const id = (option: string) => Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' }));
  return [id('-u'), id('-g')];
}
