import type { Role, Session, User } from '@reprise/server/auth/account.api.ts';
import { get, post, remove, useSession } from './api.ts';
import { live } from './live.svelte.ts';

const ORDER: readonly Role[] = ['viewer', 'developer', 'deployer', 'admin'];

/** Who is signed in, and what they may do. The server decides again at every request; this only hides what would be refused. */
class CurrentSession {
  #answer = $state.raw<Session | null>(null);
  #isTaken = $state(false);

  /** null: not asked yet. */
  get answer(): Session | null {
    return this.#answer;
  }

  /** Whether who was signed in no longer is, without having wanted it. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  get user(): User | null {
    return this.#answer?.user ?? null;
  }

  /** Whether the user may do what needs `role`: in a project, or over the whole instance. */
  can(role: Role, project?: string): boolean {
    const user = this.user;
    if (!user) return false;
    const inProject = user.projects.find((membership) => membership.project === project)?.role ?? null;
    return [user.role, inProject].some((held) => held !== null && ORDER.indexOf(held) >= ORDER.indexOf(role));
  }

  /** Asks the server who this is. */
  async load(): Promise<void> {
    this.#take(await get<Session>('/api/session'));
  }

  /** Signs in with a password, or with a one-time link. Throws `Problem`. */
  async signIn(given: object): Promise<void> {
    await post('/api/session', given);
    await this.load();
  }

  async signOut(): Promise<void> {
    await remove('/api/session');
    await this.load();
    this.#isTaken = false;
  }

  #take(answer: Session): void {
    this.#isTaken = this.user !== null && answer.user === null;
    this.#answer = answer;
    // Where the server does not answer, it is asked again when the next thing is refused.
    const lookAgain = () => void this.load().catch(() => {});
    useSession(answer.csrf, lookAgain);
    if (answer.user) live.open(lookAgain);
    else live.close();
  }
}

export const session = new CurrentSession();
