import { once } from 'node:events';
import {
  type AddressInfo,
  connect,
  createServer,
  type NetConnectOpts,
  type Server,
  type Socket,
} from 'node:net';
import { Random } from './random.ts';

/** What the network does to connections. */
export type Weather =
  | 'fair'
  /** Every open connection is reset, and new ones are refused. */
  | 'down'
  /** Nothing arrives in either direction, and nobody is told. */
  | 'blackhole';

/** A TCP way to a server on which things go wrong as they do on networks: one end knows no more than the other. */
export class FaultProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #target: NetConnectOpts;
  #weather: Weather = 'fair';
  readonly #random = new Random(1);
  /** Loses about every third answer: the server has done what it was asked, and the line breaks before the first byte arrives. */
  losesAnswers = false;
  /** Answers lost so far. */
  lost = 0;

  private constructor(target: NetConnectOpts) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (near) => this.#take(near));
  }

  /** Leads to `127.0.0.1:<port of address>`, or to the Unix socket at an absolute path. */
  static async to(address: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(
      address.startsWith('/')
        ? { path: address, allowHalfOpen: true }
        : { port: Number(new URL(address).port), host: '127.0.0.1', allowHalfOpen: true },
    );
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  set weather(weather: Weather) {
    this.#weather = weather;
    if (weather === 'down') this.cut();
    if (weather === 'fair') for (const pair of this.#pairs) pair.resume();
    if (weather === 'blackhole') for (const pair of this.#pairs) pair.pause();
  }

  /** Resets every open connection, in the middle of whatever it carries. */
  cut(): void {
    for (const pair of this.#pairs) pair.reset();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #take(near: Socket): void {
    if (this.#weather === 'down') return void near.resetAndDestroy();
    const far = connect(this.#target);
    const pair = new Pair(near, far, () => this.#shallLose());
    this.#pairs.add(pair);
    pair.ended.then(() => this.#pairs.delete(pair));
    if (this.#weather === 'blackhole') pair.pause();
  }

  #shallLose(): boolean {
    if (!this.losesAnswers || this.#random.below(3) > 0) return false;
    this.lost += 1;
    return true;
  }
}

/** Both halves of a connection. */
class Pair {
  readonly ended: Promise<unknown>;
  readonly #near: Socket;
  readonly #far: Socket;
  #isPaused = false;

  constructor(near: Socket, far: Socket, shallLose: () => boolean) {
    this.#near = near;
    this.#far = far;
    const ends = [near, far].map((socket) => {
      socket.on('error', () => this.reset());
      return once(socket, 'close').catch(() => {});
    });
    this.ended = Promise.all(ends);
    near.on('data', (bytes) => {
      if (!far.write(bytes)) near.pause();
    });
    far.on('data', (bytes) => {
      if (shallLose()) this.reset();
      else if (!near.write(bytes)) far.pause();
    });
    near.on('drain', () => this.#isPaused || far.resume());
    far.on('drain', () => this.#isPaused || near.resume());
    near.on('end', () => far.end());
    far.on('end', () => near.end());
  }

  pause(): void {
    this.#isPaused = true;
    this.#near.pause();
    this.#far.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#near.resume();
    this.#far.resume();
  }

  reset(): void {
    this.#near.resetAndDestroy();
    // Only TCP knows a reset; of a Unix socket this is all that the other end would see.
    if (this.#far.remotePort === undefined) this.#far.destroy();
    else this.#far.resetAndDestroy();
  }
}
