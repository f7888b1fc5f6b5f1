/**
 * Where to go after signing in: a path of this server and nothing else. Browsers read `//host`, `/\host` and tabs or line ends in
 * between as another host; whatever does not come out as our own origin is the start page.
 */
export function nextPath(asked: string | null, origin: string): string {
  if (asked === null || !asked.startsWith('/') || !URL.canParse(asked, origin)) return '/';
  const url = new URL(asked, origin);
  if (url.origin !== origin || url.pathname.startsWith('//')) return '/';
  return url.pathname + url.search + url.hash;
}
