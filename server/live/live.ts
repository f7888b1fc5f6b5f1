import type { Server as HttpServer, IncomingMessage } from 'node:http';
import { Server, type Socket } from 'socket.io';
import { type Caller, isSignedIn, maySee } from '../auth/caller.ts';
import { isAtLeast } from '../auth/role.ts';
import { type Authenticate, type Credential, credentialOf } from '../http/authenticate.ts';
import { isOwnOrigin } from '../http/origin.ts';
import type { Services } from '../services.ts';
import { Session } from './session.ts';
import type { Topic } from './topics.ts';

/** Whoever may no longer be here, by an expiry that nobody announces, is found out within this. */
const RECHECK_MS = 10_000;

/**
 * Tells whoever watches what has changed, over socket.io. Announcements are hints: what changed is fetched over HTTP, and
 * logs are read from their store, from each watcher's own offset. So nothing is lost when a socket is.
 */
export class Live {
  readonly #services: Services;
  readonly #authenticate: Authenticate;
  readonly #sessions = new Map<Session, Guest>();
  readonly #listeners = new Set<(topic: string) => void>();
  #io: Server | undefined;
  #recheck: NodeJS.Timeout | undefined;
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
        if (isFromOwnPage(request, this.#services.publicUrl())) answer(null, true);
        else refuse(request);
      },
    });
    io.use((socket, next) => {
      this.#admit(socket).then(
        (guest) => {
          socket.data['guest'] = guest;
          next(guest ? undefined : new Error('unauthenticated'));
        },
        () => next(new Error('unavailable')),
      );
    });
    io.on('connection', (socket) => {
      const guest: Guest = socket.data['guest'];
      const session = new Session(socket, this.#services, {
        mayWatch: async (topic) => {
          const caller = await this.#authenticate(guest.credential);
          return caller !== null && mayWatch(caller, topic);
        },
        revision: () => this.#revision,
      });
      this.#sessions.set(session, guest);
      socket.once('disconnect', () => {
        this.#sessions.delete(session);
        session.close();
      });
    });
    this.#recheck = setInterval(() => void this.#recheckAll(), RECHECK_MS).unref();
    this.#io = io;
    this.#forwardGrowth();
    this.#hearOthers(io);
  }

  /**
   * The newest announcement's. Whoever reads from now on sees what was announced up to it, as announcements follow their commits:
   * so a page that hears of an older one, or watches while this is the newest, need not ask again.
   */
  get revision(): number {
    return this.#revision;
  }

  /** Announces that what these topics name has changed: after the commit, never before. */
  changed(...topics: string[]): void {
    this.#announce(topics);
    this.#services.news.tell({ changed: topics });
  }

  #announce(topics: readonly string[]): void {
    this.#revision += 1;
    for (const topic of topics) {
      for (const listener of this.#listeners) listener(topic);
      for (const session of this.#sessions.keys()) session.changed(topic, this.#revision);
    }
  }

  /** Hears every announced topic, of whichever server. Returns how to stop. */
  onChanged(listener: (topic: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends at once the connections that came in with these credentials (ids of sessions and tokens): after the commit. */
  end(credentialIds: readonly string[]): void {
    this.#end(credentialIds);
    this.#services.news.tell({ ended: [...credentialIds] });
  }

  #end(credentialIds: readonly string[]): void {
    const ended = new Set(credentialIds);
    for (const [session, { caller }] of this.#sessions) {
      if (caller.credentialId !== null && ended.has(caller.credentialId)) session.drop();
    }
  }

  /** Ends every connection, so that pages look for the next server by themselves. The HTTP server stays its owner's. */
  async close(): Promise<void> {
    clearInterval(this.#recheck);
    this.#io?.engine.close();
  }

  async #admit(socket: Socket): Promise<Guest | null> {
    const credential = credentialIn(socket.handshake);
    const caller = credential && (await this.#authenticate(credential));
    return credential && caller && isSignedIn(caller) ? { credential, caller } : null;
  }

  /** Who is no longer let in goes; whose rights have changed comes back with what is left of them. */
  async #recheckAll(): Promise<void> {
    for (const [session, { credential, caller }] of [...this.#sessions]) {
      const now = await this.#authenticate(credential).catch(() => caller);
      if (now === null || !isSame(now, caller)) session.drop();
    }
  }

  #forwardGrowth(): void {
    const { logs, news } = this.#services;
    logs.onGrew((attempt, size, where) => {
      for (const session of this.#sessions.keys()) session.grew(attempt);
      if (where === 'here') news.tell({ grew: [[attempt, size]] });
    });
  }

  /** What another server announced is announced here; where that may have been missed, everything is. */
  #hearOthers(io: Server): void {
    const { logs, news } = this.#services;
    news.on({
      news: ({ changed = [], grew = [], ended = [] }) => {
        if (changed.length > 0) this.#announce(changed);
        for (const [attempt, size] of grew) logs.grewElsewhere(attempt, size);
        this.#end(ended);
      },
      unsure: () => {
        this.#revision += 1;
        for (const session of this.#sessions.keys()) session.allChanged(this.#revision);
        void this.#recheckAll();
      },
    });
    news.attach(io);
  }
}

/** Somebody who is connected, and with what they were let in. */
interface Guest {
  credential: Credential;
  caller: Caller;
}

/** A browser names its page, which must be ours. A cookie without a page's name is not a browser's. */
function isFromOwnPage(request: IncomingMessage, publicUrl: string): boolean {
  const isUnnamed = request.headers.origin === undefined && request.headers.cookie !== undefined;
  return !isUnnamed && isOwnOrigin(request, publicUrl);
}

/** In place of engine.io's own refusal, which is 400 whatever the reason. */
function refuse({ socket }: IncomingMessage): void {
  socket.on('error', () => socket.destroy());
  socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', () =>
    socket.destroy(),
  );
}

/** Lists carry no content, so they are anybody's who is signed in; the audit over everything is the administrators'. */
function mayWatch(caller: Caller, topic: Topic): boolean {
  if (topic.kind === 'audit') return isAtLeast(caller.role, 'admin');
  return 'project' in topic ? maySee(caller, topic.project) : isSignedIn(caller);
}

function isSame(a: Caller, b: Caller): boolean {
  const rights = ({ role, projectRoles }: Caller) => JSON.stringify([role, [...projectRoles].sort()]);
  return rights(a) === rights(b);
}

/** From the handshake's `auth: {token}`, else as of any request: the `Authorization` header, or the session's cookie. */
function credentialIn({ auth, headers }: Socket['handshake']): Credential | null {
  const { token } = auth as { token?: unknown };
  if (typeof token === 'string') return token.length <= 512 ? { kind: 'bearer', key: token } : null;
  const found = credentialOf(headers);
  return found === 'malformed' ? null : found;
}
