import { Problem } from './problem.ts';

/** Sent with every change: proves that it comes from this page. Set when the session is known. */
let csrf: string | null = null;
let onSignedOut: () => void = () => {};

/** Tells the client what the session says. `signedOut` is called when the server no longer knows the session. */
export function useSession(token: string | null, signedOut: () => void): void {
  csrf = token;
  onSignedOut = signedOut;
}

export interface Ask {
  signal?: AbortSignal;
  /** Told up to which announcement the answer shows what was announced; several answers tell it several times. */
  shows?: (revision: number) => void;
}

/** Asks for JSON. Throws `Problem` with the server's own sentence, or one about the connection. */
export function get<Answer>(path: string, o: Ask = {}): Promise<Answer> {
  return send<Answer>('GET', path, undefined, o);
}

/** Every item of a list, page after page. `path` has a query already, with the size of the pages. */
export async function getAll<Item>(path: string, o: Ask = {}): Promise<Item[]> {
  const items: Item[] = [];
  for (let next: string | null = ''; next !== null; ) {
    const before: string = next === '' ? '' : `&before=${encodeURIComponent(next)}`;
    const page: { items: Item[]; next: string | null } = await get(path + before, o);
    items.push(...page.items);
    next = page.next;
  }
  return items;
}

/** Changes something; the body is JSON. */
export function post<Answer>(path: string, body: object = {}, o: Ask = {}): Promise<Answer> {
  return send<Answer>('POST', path, body, o);
}

export function put<Answer>(path: string, body: object, o: Ask = {}): Promise<Answer> {
  return send<Answer>('PUT', path, body, o);
}

export function patch<Answer>(path: string, body: object, o: Ask = {}): Promise<Answer> {
  return send<Answer>('PATCH', path, body, o);
}

export function remove(path: string, o: Ask = {}): Promise<void> {
  return send<void>('DELETE', path, undefined, o);
}

/** `/api/projects/<project>` with each part escaped; numbers allowed. */
export function address(parts: TemplateStringsArray, ...values: (string | number)[]): string {
  return parts.reduce(
    (path, part, at) => path + part + (at < values.length ? encodeURIComponent(values[at] ?? '') : ''),
    '',
  );
}

/** A query string of what is given: empty values are left out. */
export function query(values: Record<string, string | number | null | undefined>): string {
  const given = Object.entries(values).flatMap<[string, string]>(([name, value]) =>
    value === null || value === undefined || value === '' ? [] : [[name, String(value)]],
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

async function send<Answer>(method: string, path: string, body: object | undefined, o: Ask): Promise<Answer> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (method !== 'GET' && csrf !== null) headers['x-csrf-token'] = csrf;
  const { shows, ...init } = o;
  const response = await reach(path, {
    method,
    headers,
    ...init,
    ...(body && { body: JSON.stringify(body) }),
  });
  shows?.(Number(response.headers.get('reprise-revision') ?? Number.NEGATIVE_INFINITY));
  if (response.ok) return (response.status === 204 ? undefined : await response.json()) as Answer;
  const problem = await readProblem(response);
  if (problem.status === 401 && csrf !== null) onSignedOut();
  throw problem;
}

async function reach(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, { credentials: 'same-origin', ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Problem(
      0,
      'unreachable',
      'The server does not answer. Check your connection; the page tries again by itself.',
    );
  }
}

async function readProblem(response: Response): Promise<Problem> {
  const text = await response.text();
  try {
    const { code, detail, ...extra } = JSON.parse(text) as { code: string; detail: string };
    return new Problem(response.status, code, detail, extra);
  } catch {
    const sentence = `The server, or something in front of it, answered ${response.status} without saying why.`;
    return new Problem(response.status, 'undecodable', sentence);
  }
}
