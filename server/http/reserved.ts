import type { Express } from 'express';
import { Refusal } from './refusal.ts';

/** Addresses of the public interface whose machinery this version does not have: refused by name, not as unknown. */
const RESERVED = ['/api/projects/:project/builds/:number/artifacts/:fileName/provenance', '/metrics'];

/** Answers 501 at every reserved address. */
export function refuseReserved(app: Express): void {
  app.all(RESERVED, (request) => {
    throw new Refusal(501, 'not-supported', `${request.path} is not supported by this version of Reprise.`);
  });
}
