import type { Configuration, CustomFetchOptions } from 'openid-client';
import type { GithubSignIn } from '../config.ts';

/** Whoever waits for a page does not wait longer for GitHub. */
const PATIENCE_MS = 10_000;

/** What one trip to GitHub is bound to; kept by the browser that began it, sealed. */
export interface Trip {
  state: string;
  verifier: string;
}

/** A person at GitHub. The id stays, a login can be given up and taken by somebody else. */
export interface GithubAccount {
  id: number;
  login: string;
}

/** Begins a trip: where to send the browser, with a fresh state and a PKCE challenge. No scope: who they are is public. */
export async function beginTrip(
  settings: GithubSignIn,
  redirectUri: string,
): Promise<{ url: URL; trip: Trip }> {
  const client = await import('openid-client');
  const trip = { state: client.randomState(), verifier: client.randomPKCECodeVerifier() };
  const url = client.buildAuthorizationUrl(await configure(settings), {
    redirect_uri: redirectUri,
    state: trip.state,
    code_challenge: await client.calculatePKCECodeChallenge(trip.verifier),
    code_challenge_method: 'S256',
    allow_signup: 'false',
  });
  return { url, trip };
}

/** Ends a trip: trades the code that came back for who it is. Throws where state, code or secret are not right. */
export async function endTrip(settings: GithubSignIn, cameBackTo: URL, trip: Trip): Promise<GithubAccount> {
  const client = await import('openid-client');
  const { access_token: token } = await client.authorizationCodeGrant(await configure(settings), cameBackTo, {
    expectedState: trip.state,
    pkceCodeVerifier: trip.verifier,
  });
  const response = await fetch(`${settings.apiUrl}/user`, {
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'application/vnd.github+json',
      'user-agent': 'Reprise',
    },
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (!response.ok) throw new Error(`GitHub answered ${response.status} to the question who it is.`);
  const { id, login } = (await response.json()) as Partial<GithubAccount>;
  if (typeof id !== 'number' || typeof login !== 'string')
    throw new Error('GitHub answered without an id and a login.');
  return { id, login };
}

/** GitHub speaks OAuth 2 without discovery: its addresses are known. */
async function configure(settings: GithubSignIn): Promise<Configuration> {
  const client = await import('openid-client');
  const { url, clientId, clientSecret } = settings;
  const configuration = new client.Configuration(
    {
      issuer: url,
      authorization_endpoint: `${url}/login/oauth/authorize`,
      token_endpoint: `${url}/login/oauth/access_token`,
    },
    clientId,
    {},
    client.ClientSecretPost(clientSecret.reveal()),
  );
  configuration.timeout = PATIENCE_MS / 1000;
  configuration[client.customFetch] = fetchWithStatus;
  if (new URL(url).protocol === 'http:') client.allowInsecureRequests(configuration);
  return configuration;
}

/** GitHub says no with status 200 and an `error` in the body; by the standard, and for the client, that is a 400. */
async function fetchWithStatus(
  url: string,
  { method, headers, body, signal }: CustomFetchOptions,
): Promise<Response> {
  const response = await fetch(url, {
    method,
    headers,
    signal: signal ?? null,
    body: body as URLSearchParams | null,
  });
  const text = await response.text();
  const status = response.ok && /"error"\s*:/.test(text) ? 400 : response.status;
  return new Response(text, { status, headers: response.headers });
}
