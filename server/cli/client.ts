/** The server said no, or could not be reached: the command ends with exit code 1 (or 2 where it was used wrongly). */
export class CommandFailure extends Error {
  readonly exitCode: 1 | 2;

  constructor(sentence: string, exitCode: 1 | 2 = 1, options?: ErrorOptions) {
    super(sentence, options);
    this.exitCode = exitCode;
  }
}

/** Where the server is and who asks. */
export interface Client {
  /** Asks the JSON API; throws `CommandFailure` with the server's own sentence on a refusal. */
  json<Answer>(method: string, path: string, body?: unknown): Promise<Answer>;
  /** The raw answer of a GET, whatever its status. */
  get(path: string, headers?: Record<string, string>): Promise<Response>;
}

/** A client for `REPRISE_SERVER` (http://127.0.0.1:4000) with `REPRISE_TOKEN`, else with the server's own `REPRISE_ADMIN_TOKEN`. */
export function openClient(env: NodeJS.ProcessEnv): Client {
  const server = (env['REPRISE_SERVER'] ?? 'http://127.0.0.1:4000').replace(/\/+$/, '');
  const token = env['REPRISE_TOKEN']?.trim() || env['REPRISE_ADMIN_TOKEN']?.trim();
  if (!token) {
    throw new CommandFailure(
      `Set REPRISE_TOKEN to an API token: make one at ${server}/account, under "API tokens". ` +
        'Where the server was given REPRISE_ADMIN_TOKEN, that one works too.',
      2,
    );
  }
  const send = async (path: string, init: RequestInit): Promise<Response> => {
    const headers = { authorization: `Bearer ${token}`, ...(init.headers as Record<string, string>) };
    try {
      return await fetch(`${server}${path}`, { ...init, headers });
    } catch (cause) {
      throw new CommandFailure(
        `No Reprise server answers at ${server}. Is it running? Is REPRISE_SERVER right?`,
        1,
        {
          cause,
        },
      );
    }
  };
  return {
    get: (path, headers = {}) => send(path, { headers }),
    async json(method, path, body) {
      const response = await send(path, {
        method,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      if (!response.ok) throw await refusalOf(response);
      return (response.status === 204 ? undefined : await response.json()) as never;
    },
  };
}

/** The sentence of a problem answer, with what is near where a ref was not found. */
export async function refusalOf(response: Response): Promise<CommandFailure> {
  const text = await response.text();
  try {
    const { detail, nearest } = JSON.parse(text) as { detail: string; nearest?: string[] };
    return new CommandFailure(nearest?.length ? `${detail} Nearest: ${nearest.join(', ')}.` : detail);
  } catch {
    return new CommandFailure(`The server answered ${response.status} with something that is not Reprise's.`);
  }
}
