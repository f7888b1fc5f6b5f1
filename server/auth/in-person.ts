import { Refusal } from '../http/refusal.ts';
import type { Caller } from './caller.ts';

/** A person with a session: who they are and which one it is. Refuses tokens, whoever's they are. */
export function inPerson(caller: Caller, what: string): { userId: string; sessionId: string } {
  const { kind, userId, credentialId } = caller;
  if (kind === 'user' && userId !== null && credentialId !== null) return { userId, sessionId: credentialId };
  throw new Refusal(403, 'forbidden', `Only a person signed in on the page may ${what}, not a token.`);
}
