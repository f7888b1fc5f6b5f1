import { signInLink } from '@reprise/server/auth/link.ts';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addUser, keyOf, PASSWORD, post, type SignedInBrowser, signIn } from '../rig/accounts.ts';
import { openBrowser } from '../rig/chromium.ts';
import { GithubSignInServer } from '../rig/github-sign-in.ts';
import { Rig } from '../rig/reprise.ts';
import { ServerHere } from '../rig/server-here.ts';
import { type Visit, visit } from './browser.ts';

let github: GithubSignInServer;
let rig: Rig;
let browser: Browser;
let ada: SignedInBrowser;

beforeAll(async () => {
  github = await GithubSignInServer.start();
  rig = await Rig.start({ env: github.env });
  // A name that is not this machine's, as the server sees it.
  browser = await openBrowser(['--host-resolver-rules=MAP ci.example 127.0.0.1']);
  ada = await signIn(rig.address, { login: 'ada', role: 'admin' });
  await rig.project('shop', { 'a.txt': 'a' });
});

afterAll(async () => {
  await browser?.close();
  await rig?.[Symbol.asyncDispose]();
  await github?.[Symbol.asyncDispose]();
});

test('an invited user chooses a password by the link that an administrator hands over, once', async () => {
  await using admin = await asSomebody(ada);
  const { page } = admin;
  await page.goto('/users');
  await page.getByRole('button', { name: 'Add a user' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add a user' });
  await dialog.getByLabel('Login', { exact: true }).fill('Bob Example');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await dialog.getByText('must begin with a-z or 0-9').waitFor();
  await dialog.getByLabel('Login', { exact: true }).fill('bob');
  await dialog.getByLabel('In every project').selectOption('developer');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('row', { name: /bob Invited/ }).waitFor();
  const link = await page.getByText('/welcome#rpl_').innerText();

  await using guest = await visit(browser, { address: rig.address });
  await guest.page.goto(link);
  await guest.page.getByText('Choose the password of bob.').waitFor();
  expect(guest.page.url()).toBe(`${rig.address}/welcome`);
  const password = guest.page.getByLabel('Password', { exact: true });
  await password.fill('short');
  await guest.page.getByText('7 more to go.').waitFor();
  await guest.page.getByRole('button', { name: 'Show' }).click();
  expect(await password.getAttribute('type')).toBe('text');
  await password.fill(PASSWORD);
  await guest.page.getByRole('button', { name: 'Set the password' }).click();
  await guest.page.getByRole('heading', { name: 'Projects', level: 1 }).waitFor();
  await guest.page.getByRole('button', { name: 'bob' }).waitFor();
  // The administrator's list has heard of it.
  await page.getByRole('row', { name: /^bob Developer/ }).waitFor();

  await guest.page.goto('about:blank');
  await guest.page.goto(link);
  await guest.page.getByRole('alert').getByText('no longer good').waitFor();
  await guest.page.reload();
  await guest.page.getByText('open the link you were given again').waitFor();
});

test('a link that signs in waits for a press, so that whatever only looks at it does not use it up', async () => {
  await using here = await ServerHere.start();
  await addUser(here, { login: 'ada', role: 'admin' });
  const { url } = await signInLink(here.services, 'ada');
  for (let looks = 0; looks < 2; looks += 1) {
    await using looker = await visit(browser, { address: here.address });
    await looker.page.goto(url);
    await looker.page.getByText('This link signs you in as ada, once.').waitFor();
    expect(looker.page.url()).toBe(`${here.address}/welcome`);
  }
  await using who = await visit(browser, { address: here.address });
  await who.page.goto(url);
  await who.page.getByRole('button', { name: 'Continue as ada' }).click();
  await who.page.getByRole('heading', { name: 'No projects yet' }).waitFor();
  // Nor does going back bring the key up.
  await who.page.goBack();
  expect(who.page.url()).not.toContain('rpl_');
});

test('what is wrong with a sign-in is said, and too many tries say how long to wait', async () => {
  await signIn(rig.address, { login: 'carol', role: 'viewer' });
  await using who = await visit(browser, { address: rig.address });
  const { page } = who;
  await page.goto('/sign-in?next=/queue');
  await enterPassword(page, 'carol', 'not the password');
  await page.getByRole('alert').waitFor();
  expect(await page.getByLabel('Login').inputValue()).toBe('carol');
  expect(await page.getByLabel('Password', { exact: true }).inputValue()).toBe('');
  await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('name'))).toBe('password');
  for (let tries = 0; tries < 9; tries += 1) await post(rig.address, { login: 'carol', password: 'wrong' });
  await enterPassword(page, 'carol', PASSWORD);
  await page.getByRole('alert').getByText('Too many failed tries. Wait 15 minutes').waitFor();
});

test.each(['//evil.example/', '/\\evil.example', 'https://evil.example/', '/\t/evil.example'])(
  'after signing in nobody is sent to another site: %j',
  async (next) => {
    await using who = await visit(browser, { address: rig.address });
    await who.page.goto(`/sign-in?next=${encodeURIComponent(next)}`);
    await enterPassword(who.page, 'ada', PASSWORD);
    await who.page.getByRole('heading', { name: 'Projects', level: 1 }).waitFor();
    expect(who.page.url()).toBe(`${rig.address}/`);
  },
);

test('over plain HTTP from elsewhere no password is asked for, and the page says what is needed', async () => {
  // Not a visit: to such a place the browser gives no clipboard.
  await using page = await browser.newPage();
  await page.goto(`${rig.address.replace('127.0.0.1', 'ci.example')}/sign-in`);
  await page.getByRole('alert').getByText('Signing in needs TLS').waitFor();
  expect(await page.getByRole('textbox').count()).toBe(0);
});

test('with GitHub one comes back to where one was going, or to a sentence that says why not', async () => {
  await signIn(rig.address, { login: 'dora', role: 'viewer' });
  await ada.call('PATCH', '/api/users/dora', { github: 'octocat' });
  await using who = await visit(browser, { address: rig.address });
  const { page } = who;
  const viaGithub = page.getByRole('link', { name: 'Sign in with GitHub' });
  github.person = null;
  await page.goto('/sign-in?next=%2Fqueue');
  await viaGithub.click();
  await page.getByRole('alert').getByText('GitHub was not allowed to say who you are').waitFor();
  github.person = { id: 1, login: 'octocat' };
  await viaGithub.click();
  await page.getByRole('heading', { name: 'Queue', level: 1 }).waitFor();
  await page.getByRole('button', { name: 'dora' }).waitFor();
});

test('the last administrator is neither disabled nor removed, and the page says so', async () => {
  await using admin = await asSomebody(ada);
  const { page } = admin;
  await page.goto('/users');
  const actions = page.getByRole('button', { name: 'Actions for ada' });
  await actions.click();
  await page.getByRole('menuitem', { name: 'Disable' }).click();
  await page.getByText('ada is the last active administrator').waitFor();
  await actions.click();
  await page.getByRole('menuitem', { name: 'Remove' }).click();
  const dialog = page.getByRole('dialog', { name: 'Remove ada?' });
  await dialog.getByRole('button', { name: 'Remove' }).click();
  await dialog.getByText('ada is the last active administrator').waitFor();
});

test('who is disabled and enabled again keeps their account, and a removed one is gone', async () => {
  const link = await addUser(rig.address, { login: 'erin', role: 'viewer' });
  await using admin = await asSomebody(ada);
  const { page } = admin;
  await page.goto('/users');
  const choose = async (word: string) => {
    await page.getByRole('button', { name: 'Actions for erin' }).click();
    await page.getByRole('menuitem', { name: word, exact: true }).click();
  };
  await choose('Disable');
  await page.getByRole('row', { name: /erin Disabled/ }).waitFor();
  await using guest = await visit(browser, { address: rig.address });
  await guest.page.goto(`/welcome#${keyOf(link)}`);
  await guest.page.getByRole('alert').getByText('no longer good').waitFor();
  await choose('Enable');
  await page.getByRole('row', { name: /erin Invited/ }).waitFor();
  await choose('New link to choose a password');
  await page.getByText('Hand this link to erin.').waitFor();
  await choose('Change');
  await page.getByRole('dialog').getByLabel('In every project').selectOption('deployer');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await page.getByRole('row', { name: /erin Invited Deployer/ }).waitFor();
  await choose('Remove');
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('row', { name: /erin/ }).waitFor({ state: 'detached' });
});

test('who is disabled while the page is open is told, and led to sign in', async () => {
  await using who = await asSomebody(await signIn(rig.address, { login: 'hugo', role: 'viewer' }));
  const { page } = who;
  await page.goto('/queue');
  await page.getByRole('heading', { name: 'Nothing waits, nothing runs' }).waitFor();
  await ada.call('PATCH', '/api/users/hugo', { disabled: true });
  await page.waitForURL('**/sign-in?next=%2Fqueue');
  await page.getByRole('alert').getByText('You were signed out').waitFor();
});

test('a changed password signs every other browser out, and one browser can sign out another', async () => {
  const here = await signIn(rig.address, { login: 'fay', role: 'viewer' });
  await using who = await asSomebody(here);
  const { page } = who;
  await page.goto('/account');
  const browsers = page.getByRole('region', { name: 'Signed-in browsers' }).getByRole('listitem');
  await browsers.filter({ hasText: 'this one' }).waitFor();

  await using other = await visit(browser, { address: rig.address });
  const enterThere = async (password: string) => {
    await other.page.goto('/sign-in');
    await enterPassword(other.page, 'fay', password);
    await other.page.getByRole('heading', { name: 'Projects', level: 1 }).waitFor();
  };
  await enterThere(PASSWORD);
  await page.reload();
  await browsers
    .filter({ hasText: 'Chrome on Linux' })
    .getByRole('button', { name: /^Sign out/ })
    .click();
  await expect.poll(() => browsers.count()).toBe(1);
  await other.page.reload();
  await other.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await enterThere(PASSWORD);

  const password = page.getByRole('region', { name: 'Password' });
  await password.getByLabel('Current password').fill('not the password');
  await password.getByLabel('New password').fill('another long password');
  await password.getByRole('button', { name: 'Change the password' }).click();
  await password.getByText('This is not your current password.').waitFor();
  await password.getByLabel('Current password').fill(PASSWORD);
  await password.getByRole('button', { name: 'Change the password' }).click();
  await page.getByText('Your password is changed.').waitFor();
  await other.page.reload();
  await other.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Your account' }).waitFor();
});

test('a token is offered within what one may, and one name is one token', async () => {
  const gus = await signIn(rig.address, { login: 'gus', projects: { shop: 'developer' } });
  await using who = await asSomebody(gus);
  const { page } = who;
  await page.goto('/account');
  await page.getByText('Developer in shop').waitFor();
  const make = async () => {
    await page.getByRole('button', { name: 'New token' }).click();
    await dialog.getByLabel('Name').fill('nightly');
    await dialog.getByLabel('Only in this project (optional)').fill('shop');
    await dialog.getByRole('button', { name: 'Make the token' }).click();
  };
  const dialog = page.getByRole('dialog', { name: 'New token' });
  await page.getByRole('button', { name: 'New token' }).click();
  await dialog.waitFor();
  expect(await dialog.getByLabel('It may').getByRole('option').allInnerTexts()).toEqual([
    'Viewer: sees everything',
    'Developer: also builds, rebuilds and cancels',
  ]);
  await page.keyboard.press('Escape');
  await make();
  await page.getByText('nightly is shown this once').waitFor();
  await page.getByRole('listitem').filter({ hasText: 'nightly' }).getByText('Viewer in shop').waitFor();
  await make();
  await dialog.getByText('You have a token "nightly" already').waitFor();
  // Administrators find it, too.
  await using admin = await asSomebody(ada);
  await admin.page.goto('/users');
  await admin.page.getByRole('button', { name: 'Revoke nightly' }).click();
  await admin.page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await admin.page.getByRole('button', { name: 'Revoke nightly' }).waitFor({ state: 'detached' });
});

/** A window in which somebody is signed in. */
function asSomebody({ cookie }: SignedInBrowser): Promise<Visit> {
  return visit(browser, { address: rig.address, cookie });
}

async function enterPassword(page: Page, login: string, password: string): Promise<void> {
  await page.getByLabel('Login').fill(login);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}
