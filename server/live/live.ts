import type { Server as HttpServer } from 'node:http';
import { Server } from 'socket.io';
import { type Caller, isSignedIn } from '../auth/caller.ts';
import type { Authenticate } from '../http/authenticate.ts';
import type { Services } from '../services.ts';
import { isOwnOrigin } from './origin.ts';
import { Session } from './session.ts';

/**
 * Tells whoever watches what has changed, over socket.io. Announcements are hints: what changed is fetched over HTTP, and
 * logs are read from their store, from each watcher's own offset. So nothing is lost when a socket is.
 */
export class Live {
  readonly #services: Services;
  readonly #authenticate: Authenticate;
  readonly #sessions = new Set<Session>();
  readonly #listeners = new Set<(topic: string) => void>();
  #io: Server | undefined;
  #revision = Date.now();

  constructor(services: Services, authenticate: Authenticate) {
    this.#services = services;
    this.#authenticate = authenticate;
  }

  /** Answers sockets at `/socket.io` of this server. */
  attach(http: HttpServer): void {
    const io = new Server(http, {
      serveClient: false,
      transports: ['websocket'],
      maxHttpBufferSize: 256e3,
      connectTimeout: 10_000,
      pingInterval: 10_000,
      pingTimeout: 10_000,
      perMessageDeflate: false,
      allowRequest: (request, answer) => {
        answer(null, isOwnOrigin(request, this.#services.publicUrl()));
      },
    });
    io.use((socket, next) => {
      const token = tokenOf(socket.handshake);
      const caller = token === null ? Promise.resolve(null) : this.#authenticate(token);
      caller.then(
        (known) => next(known && mayRead(known) ? undefined : new Error('unauthenticated')),
        () => next(new Error('unavailable')),
      );
    });
    io.on('connection', (socket) => {
      const token = tokenOf(socket.handshake) ?? '';
      const session = new Session(socket, this.#services, {
        mayWatch: async () => {
          const caller = await this.#authenticate(token);
          return caller !== null && mayRead(caller);
        },
        revision: () => this.#revision,
      });
      this.#sessions.add(session);
      socket.once('disconnect', () => {
        this.#sessions.delete(session);
        session.close();
      });
    });
    this.#io = io;
    this.#forwardGrowth();
  }

  /** Announces that what these topics name has changed: after the commit, never before. */
  changed(...topics: string[]): void {
    this.#revision += 1;
    for (const topic of topics) {
      for (const listener of this.#listeners) listener(topic);
      for (const session of this.#sessions) session.changed(topic, this.#revision);
    }
  }

  /** Hears every announced topic in this process. Returns how to stop. */
  onChanged(listener: (topic: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends every connection, so that pages look for the next server by themselves. The HTTP server stays its owner's. */
  async close(): Promise<void> {
    this.#io?.engine.close();
  }

  #forwardGrowth(): void {
    this.#services.logs.onGrew((attempt) => {
      for (const session of this.#sessions) session.grew(attempt);
    });
  }
}

function mayRead(caller: Caller): boolean {
  return isSignedIn(caller);
}

/** From the handshake's `auth: {token}` (browsers) or the `Authorization` header (programs). */
function tokenOf(handshake: {
  auth: Record<string, unknown>;
  headers: { authorization?: string };
}): string | null {
  const { token } = handshake.auth;
  if (typeof token === 'string' && token.length <= 512) return token;
  return /^Bearer ([\x21-\x7e]{1,512})$/i.exec(handshake.headers.authorization ?? '')?.[1] ?? null;
}
