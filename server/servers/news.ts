import type { Server } from 'socket.io';

/** What servers tell each other the moment it is committed. Ids, names and numbers only: what they stand for is looked up. */
export interface News {
  /** Topics of what has changed. */
  changed?: string[];
  /** Attempts whose logs have grown, with the new sizes. */
  grew?: [attempt: string, size: number][];
  /** Credentials (ids of sessions and tokens) that are good no more. */
  ended?: string[];
  /** Runners for which there may be something to hear. */
  noticed?: string[];
  /** Runners whose waiting claims are those of a process that is gone. */
  dismissed?: string[];
}

/**
 * Between the servers of an installation. What is told may be lost; then, within seconds, `unsure` is called at whoever may
 * have missed something, who looks at everything again.
 */
export interface NewsBoard extends AsyncDisposable {
  /** Whether there are, or may come to be, other servers. */
  readonly isShared: boolean;
  /** Begins to tell and hear, by the server of this process's sockets. */
  attach(io: Server): void;
  /** Tells the other servers. Call it after the commit; returns at once. */
  tell(news: News): void;
  /** Hears the others. */
  on(hear: { news(news: News): void; unsure(): void }): void;
}

/** For one server: nobody else is to be told. */
export class NewsHere implements NewsBoard {
  readonly isShared = false;
  attach(): void {}
  tell(): void {}
  on(): void {}
  async [Symbol.asyncDispose](): Promise<void> {}
}
