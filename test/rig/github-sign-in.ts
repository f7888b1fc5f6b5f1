import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Somebody at GitHub. */
export interface GithubPerson {
  id: number;
  login: string;
}

/**
 * A real HTTP server that signs people in as GitHub does: an authorization page that sends the browser back with a code, a token
 * endpoint that checks code, client, secret, redirect address and PKCE verifier, and the API's question who it is. It refuses
 * as GitHub does: with status 200 and an `error`.
 */
export class GithubSignInServer implements AsyncDisposable {
  readonly clientId = 'Iv1.client';
  readonly clientSecret = 'the-secret-of-the-oauth-app';
  /** Who is signed in at GitHub in the browser that comes by; null: says no. */
  person: GithubPerson | null = { id: 1, login: 'octocat' };
  /** Why trades were refused. */
  readonly refused: string[] = [];
  readonly #codes = new Map<string, { challenge: string; redirectUri: string; person: GithubPerson }>();
  readonly #tokens = new Map<string, GithubPerson>();
  readonly #http = createServer((request, response) => {
    this.#answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });

  static async start(): Promise<GithubSignInServer> {
    const github = new GithubSignInServer();
    await new Promise<void>((resolve) => github.#http.listen(0, '127.0.0.1', resolve));
    return github;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  /** The settings of a Reprise that trusts it. */
  get env(): Record<string, string> {
    return {
      REPRISE_GITHUB_URL: this.address,
      REPRISE_GITHUB_CLIENT_ID: this.clientId,
      REPRISE_GITHUB_CLIENT_SECRET: this.clientSecret,
    };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.address);
    if (url.pathname === '/login/oauth/authorize') this.#authorize(url.searchParams, response);
    else if (url.pathname === '/login/oauth/access_token') {
      let body = '';
      for await (const chunk of request) body += chunk;
      json(response, 200, this.#trade(new URLSearchParams(body)));
    } else if (url.pathname === '/api/v3/user') {
      const person = this.#tokens.get(request.headers.authorization?.replace('Bearer ', '') ?? '');
      return json(response, person ? 200 : 401, person ?? { message: 'Bad credentials' });
    } else json(response, 404, { message: 'Not Found' });
  }

  #authorize(asked: URLSearchParams, response: ServerResponse): void {
    const redirectUri = asked.get('redirect_uri') ?? '';
    const challenge = asked.get('code_challenge') ?? '';
    const isWhole =
      asked.get('client_id') === this.clientId &&
      asked.get('response_type') === 'code' &&
      asked.get('code_challenge_method') === 'S256' &&
      challenge.length === 43 &&
      (asked.get('state') ?? '').length >= 16;
    if (!isWhole) {
      json(response, 400, { message: `Not asked as agreed: ${asked}` });
      return;
    }
    const back = new URL(redirectUri);
    back.searchParams.set('state', asked.get('state') ?? '');
    if (this.person === null) back.searchParams.set('error', 'access_denied');
    else {
      const code = randomBytes(10).toString('hex');
      this.#codes.set(code, { challenge, redirectUri, person: this.person });
      back.searchParams.set('code', code);
    }
    response.writeHead(302, { location: back.href }).end();
  }

  #trade(given: URLSearchParams): object {
    const code = given.get('code') ?? '';
    const held = this.#codes.get(code);
    this.#codes.delete(code);
    const challenge = createHash('sha256')
      .update(given.get('code_verifier') ?? '')
      .digest('base64url');
    const wrong =
      (given.get('client_id') !== this.clientId || given.get('client_secret') !== this.clientSecret
        ? 'incorrect_client_credentials'
        : null) ??
      (held === undefined ? 'bad_verification_code' : null) ??
      (held?.challenge !== challenge ? 'bad_code_verifier' : null) ??
      (held?.redirectUri !== given.get('redirect_uri') ? 'redirect_uri_mismatch' : null);
    if (wrong !== null || !held) {
      this.refused.push(wrong ?? '');
      return { error: wrong, error_description: 'Refused.' };
    }
    const token = `gho_${randomBytes(18).toString('hex')}`;
    this.#tokens.set(token, held.person);
    return { access_token: token, token_type: 'bearer', scope: '' };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}
