import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RequestHandler } from 'express';
import sirv from 'sirv';
import { Refusal } from '../http/refusal.ts';

/** Addresses that programs speak to: what is not there is a problem answer, never the page. */
const NOT_PAGES = /^\/(api|webhooks|git|socket\.io|badges|metrics|healthz|readyz)(\/|$)/;
/** Named by their content: a browser need never ask again. */
const IMMUTABLE = /^\/_app\/immutable\//;
const FILES = /^\/(_app|icons)\//;

/**
 * Sends the built page (`dir`): one and the same document for every address that is a page's, and its files, compressed
 * when they were built. Only scripts of this server run in it, and the document's own, which is named by its sha256.
 */
export function servePage(dir: string): RequestHandler {
  const index = join(dir, 'index.html');
  if (!existsSync(index)) return refuseUnbuilt;
  const preloads = readPreloads(dir);
  const policy = contentSecurityPolicy(readFileSync(index, 'utf8'));
  const files = sirv(dir, {
    brotli: true,
    gzip: true,
    etag: true,
    setHeaders(response, path) {
      response.setHeader(
        'Cache-Control',
        IMMUTABLE.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache',
      );
    },
  });
  return (request, response, next) => {
    if (!isForPeople(request)) return next();
    if (!FILES.test(request.path)) {
      const link = linkOf(preloads, request.path);
      if (link !== '') response.setHeader('Link', link);
      request.url = '/index.html';
      response.setHeader('Content-Security-Policy', policy);
    }
    files(request, response, next);
  };
}

/** Nothing but what comes from here; no inline script but the document's own, no inline style at all. */
function contentSecurityPolicy(html: string): string {
  const own = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(
    ([, script = '']) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  );
  return [
    "default-src 'none'",
    `script-src 'self' ${own.join(' ')}`,
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** What goes with the documents of one route; the page's build writes it. `asks` are addresses of the API. */
interface Preloads {
  path: RegExp;
  scripts: string[];
  styles: string[];
  asks: string[];
}

function readPreloads(dir: string): Preloads[] {
  const written: (Omit<Preloads, 'path'> & { path: string })[] = JSON.parse(
    readFileSync(join(dir, '_app/preloads.json'), 'utf8'),
  );
  return written.map(({ path, ...files }) => ({ path: new RegExp(path), ...files }));
}

/** So that the browser asks for what belongs to this page at once, not when the page's program finds that it needs it. */
function linkOf(preloads: Preloads[], path: string): string {
  const route = preloads.find((candidate) => candidate.path.test(path));
  if (!route) return '';
  return [
    ...route.asks.map((ask) => `<${path.replace(route.path, ask)}>; rel=preload; as=fetch; crossorigin`),
    ...route.styles.map((file) => `<${file}>; rel=preload; as=style`),
    ...route.scripts.map((file) => `<${file}>; rel=modulepreload`),
  ].join(', ');
}

const refuseUnbuilt: RequestHandler = (request, _response, next) => {
  if (!isForPeople(request)) return next();
  const sentence =
    'The page is not built. "npm start" builds it; by hand: npm run build --workspace ui, then start again.';
  throw new Refusal(503, 'unavailable', sentence);
};

function isForPeople({ method, path }: { method: string; path: string }): boolean {
  return (method === 'GET' || method === 'HEAD') && !NOT_PAGES.test(path);
}
