import type { Request } from 'express';
import { CSRF_HEADER, isCsrfOf } from '../auth/csrf.ts';
import type { Vault } from '../vault.ts';
import { sessionKeyOf } from './cookie.ts';
import { isOwnOrigin } from './origin.ts';
import { Refusal } from './refusal.ts';

/**
 * Refuses what another site's page sends in a visitor's name. A change must come from a page of ours wherever the browser says
 * where it comes from; with a session's cookie it must say so, and carry the token that only our page was given.
 */
export function assertFromOwnPage(
  request: Request,
  o: { byCookie: boolean; vault: Vault; publicUrl: string },
): void {
  if (request.method === 'GET' || request.method === 'HEAD') return;
  const { origin, 'sec-fetch-site': site } = request.headers;
  const isOwn = origin === undefined ? site === 'same-origin' : isOwnOrigin(request, o.publicUrl);
  if (origin !== undefined && !isOwn) throw refused(`It comes from ${origin}.`);
  if (!o.byCookie) return;
  if (!isOwn) throw refused('It does not say from which page it comes.');
  const key = sessionKeyOf(request.headers);
  if (key === null || !isCsrfOf(o.vault, key, request.get(CSRF_HEADER) ?? ''))
    throw refused(`It lacks this session's token in the header ${CSRF_HEADER}: load the page again.`);
}

function refused(why: string): Refusal {
  return new Refusal(403, 'cross-site', `This change was not asked for by Reprise's own page. ${why}`);
}
