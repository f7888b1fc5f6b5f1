import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { parseRedisUrl, type RedisSettings } from '@reprise/server/redis/redis-url.ts';
import { tempDir } from './temp.ts';

/** A private Redis on a socket in a directory of its own. It keeps nothing: what it loses must not matter. */
export class RedisServer implements AsyncDisposable {
  readonly #dir = tempDir();
  #child: ChildProcess | undefined;

  static async start(): Promise<RedisServer> {
    const redis = new RedisServer();
    await redis.startAgain();
    return redis;
  }

  get url(): string {
    return `unix:${this.#dir.join('redis.sock')}`;
  }

  get settings(): RedisSettings {
    const problems: string[] = [];
    const settings = parseRedisUrl(this.url, problems);
    if (!settings) throw new Error(problems.join(' '));
    return settings;
  }

  /** Empty, as after a loss of everything it held. */
  async startAgain(): Promise<void> {
    const words = ['--port', '0', '--unixsocket', this.#dir.join('redis.sock'), '--save', ''];
    // The kernel ends it with this process, however that ends.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'redis-server', ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (/ready to accept connections/i.test(line)) resolve();
    });
    child.once('error', reject).once('exit', () => reject(new Error('redis-server ended.')));
    await promise;
  }

  /** STOP: it answers nothing, and keeps its connections. CONT: it goes on. KILL: gone with all it held. */
  async signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): Promise<void> {
    const ended = this.#child && name === 'SIGKILL' ? once(this.#child, 'exit') : null;
    this.#child?.kill(name);
    await ended;
  }

  /** It lives, and holds nothing any more. */
  flush(): void {
    execFileSync('redis-cli', ['-s', this.#dir.join('redis.sock'), 'flushall'], { stdio: 'ignore' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child?.exitCode === null && this.#child.signalCode === null) await this.signal('SIGKILL');
    this.#dir[Symbol.dispose]();
  }
}
