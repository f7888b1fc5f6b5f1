import { expect, test } from 'vitest';
import { GithubSignInServer } from '../../rig/github-sign-in.ts';
import { ServerHere } from '../../rig/server-here.ts';

/** A browser as far as it matters: keeps cookies of the Reprise it looks at, follows one redirection at a time. */
class Browser {
  readonly #here: ServerHere;
  readonly cookies = new Map<string, string>();

  constructor(here: ServerHere) {
    this.#here = here;
  }

  async open(url: string): Promise<Response> {
    const address = new URL(url, this.#here.address);
    const isOurs = address.origin === this.#here.address;
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = isOurs && cookie ? { cookie } : {};
    const response = await fetch(address, { redirect: 'manual', headers });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return response;
  }

  /** Opens an address and goes where it is sent, `times` times; answers where it stands then. */
  async follow(url: string, times: number): Promise<string> {
    let at = url;
    for (let step = 0; step < times; step += 1) {
      const response = await this.open(at);
      const location = response.headers.get('location');
      if (location === null) throw new Error(`${at}: ${response.status} ${await response.text()}`);
      at = location;
    }
    return at;
  }

  async session() {
    const { body } = await this.#json('/api/session');
    return body;
  }

  async #json(path: string) {
    const response = await this.open(path);
    return { status: response.status, body: (await response.json()) as never as SessionAnswer };
  }
}

interface SessionAnswer {
  user: { login: string; github: string } | null;
  signIn: { github: boolean; problem: string };
}

const BEGIN = '/api/session/github?next=/projects/shop%3Ftab=builds';
/** Where who cannot be let in may try again, to go where they wanted to. */
const BACK = '/sign-in?next=%2Fprojects%2Fshop%3Ftab%3Dbuilds';

test('whom an administrator gave a GitHub account signs in with it, there and back', async () => {
  await using github = await GithubSignInServer.start();
  await using here = await ServerHere.start(github.env);
  await here.admin('POST', '/api/users', { login: 'ada', role: 'developer', github: 'OctoCat' });
  const browser = new Browser(here);
  expect((await browser.session()).signIn.github).toBe(true);
  expect(await browser.follow(BEGIN, 3)).toBe('/projects/shop?tab=builds');
  expect(github.refused).toEqual([]);
  expect(await browser.session()).toMatchObject({ user: { login: 'ada' }, signIn: { problem: '' } });
  expect([...browser.cookies.keys()]).toEqual(['reprise']);
  const { items } = (await here.admin('GET', '/api/audit?action=session.create')).body;
  expect(items[0]).toMatchObject({ actor: 'ada', detail: { how: 'github' } });
});

test('whom nobody gave an account is told so, once, and it is recorded', async () => {
  await using github = await GithubSignInServer.start();
  await using here = await ServerHere.start(github.env);
  const browser = new Browser(here);
  expect(await browser.follow(BEGIN, 3)).toBe(BACK);
  const told = await browser.session();
  expect(told.user).toBeNull();
  expect(told.signIn.problem).toMatch(/octocat.*administrator/);
  expect((await browser.session()).signIn.problem).toBe('');
  const { items } = (await here.admin('GET', '/api/audit?action=session.refused')).body;
  expect(items[0]).toMatchObject({ subject: 'GitHub: octocat' });
});

test('a disabled user does not get in by GitHub', async () => {
  await using github = await GithubSignInServer.start();
  await using here = await ServerHere.start(github.env);
  await here.admin('POST', '/api/users', { login: 'ada', github: 'octocat' });
  await here.admin('PATCH', '/api/users/ada', { disabled: true });
  const browser = new Browser(here);
  expect(await browser.follow(BEGIN, 3)).toBe(BACK);
  expect((await browser.session()).signIn.problem).toContain('disabled');
});

test('a login that changed hands at GitHub opens nothing until an administrator gives it again', async () => {
  await using github = await GithubSignInServer.start();
  await using here = await ServerHere.start(github.env);
  await here.admin('POST', '/api/users', { login: 'ada', github: 'octocat' });
  expect(await new Browser(here).follow(BEGIN, 3)).toBe('/projects/shop?tab=builds');
  github.person = { id: 2, login: 'octocat' };
  const stranger = new Browser(here);
  expect(await stranger.follow(BEGIN, 3)).toBe(BACK);
  expect((await stranger.session()).signIn.problem).toContain('changed hands');
  await here.admin('PATCH', '/api/users/ada', { github: 'octocat' });
  expect(await stranger.follow(BEGIN, 3)).toBe('/projects/shop?tab=builds');
});

test('who says no at GitHub comes back to signing in, with a sentence', async () => {
  await using github = await GithubSignInServer.start();
  await using here = await ServerHere.start(github.env);
  github.person = null;
  const browser = new Browser(here);
  expect(await browser.follow(BEGIN, 3)).toBe(BACK);
  expect((await browser.session()).signIn.problem).toContain('not allowed to say who you are');
});

test('a code is good only in the browser that began, with its state, once', async () => {
  await using github = await GithubSignInServer.start();
  await using here = await ServerHere.start(github.env);
  await here.admin('POST', '/api/users', { login: 'ada', github: 'octocat' });
  const [ada, eve] = [new Browser(here), new Browser(here)];
  const adas = await ada.follow(BEGIN, 2);
  const eves = await eve.follow(BEGIN, 2);

  // Eve has Ada open Eve's way back (which would sign Ada in as Eve), then Ada's with another state.
  expect(await ada.follow(eves, 1)).toBe(BACK);
  expect((await ada.session()).user).toBeNull();
  const changed = new URL(await ada.follow(BEGIN, 2));
  changed.searchParams.set('state', 'another-state-of-that-length-0123456789012345');
  expect(await ada.follow(changed.href, 1)).toBe(BACK);
  // Somebody else's browser has no trip, and a trip is over once it came back.
  expect(await new Browser(here).follow(adas, 1)).toBe('/sign-in');
  expect(await eve.follow(eves, 1)).toBe('/projects/shop?tab=builds');
  expect(await eve.follow(eves, 1)).toBe('/sign-in');
});

test('a wrong secret of the app is said to the operator, not to the visitor', async () => {
  await using github = await GithubSignInServer.start();
  const env = { ...github.env, REPRISE_GITHUB_CLIENT_SECRET: 'not-the-secret' };
  await using here = await ServerHere.start(env);
  const browser = new Browser(here);
  expect(await browser.follow(BEGIN, 3)).toBe(BACK);
  expect(github.refused).toEqual(['incorrect_client_credentials']);
  expect((await browser.session()).signIn.problem).toContain('could not be asked');
  const said = JSON.stringify(
    here.logLines.filter((line) => line['msg'] === 'signing in with GitHub failed'),
  );
  expect(said).toContain('incorrect_client_credentials');
  expect(said).not.toContain('not-the-secret');
});

test.each([
  '//evil.example',
  '/\\evil.example',
  '/\t/evil.example',
  '/\n\\evil.example',
  'https://evil.example',
  'javascript:alert(1)',
  'evil',
])('the way back leads nowhere else: %j is refused (A8)', async (next) => {
  await using here = await ServerHere.start({
    REPRISE_GITHUB_CLIENT_ID: 'client',
    REPRISE_GITHUB_CLIENT_SECRET: 'secret',
  });
  const response = await new Browser(here).open(`/api/session/github?next=${encodeURIComponent(next)}`);
  expect(response.status).toBe(400);
  expect(response.headers.get('location')).toBeNull();
});

test('where GitHub is to send the browser back does not come from the request (A8)', async () => {
  await using here = await ServerHere.start({
    REPRISE_GITHUB_CLIENT_ID: 'client',
    REPRISE_GITHUB_CLIENT_SECRET: 'secret',
    REPRISE_URL: 'https://ci.example.com',
  });
  const response = await fetch(`${here.address}/api/session/github`, {
    redirect: 'manual',
    headers: { 'x-forwarded-host': 'evil.example' },
  });
  const url = new URL(response.headers.get('location') ?? '');
  expect(url.origin + url.pathname).toBe('https://github.com/login/oauth/authorize');
  expect(url.searchParams.get('redirect_uri')).toBe('https://ci.example.com/api/session/github/callback');
  expect(response.headers.getSetCookie().join()).toMatch(
    /^__Host-reprise-github=v1\..*HttpOnly; Secure; SameSite=Lax/,
  );
});

test('without an app at GitHub it is not offered', async () => {
  await using here = await ServerHere.start();
  const browser = new Browser(here);
  expect((await browser.session()).signIn.github).toBe(false);
  expect((await browser.open(BEGIN)).status).toBe(404);
});
