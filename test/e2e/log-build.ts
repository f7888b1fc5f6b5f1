import type { Assignment, StepState } from '@reprise/runner/protocol.ts';
import type { Browser, Locator, Page } from 'playwright-core';
import { signIn } from '../rig/accounts.ts';
import { finishOf, PuppetRunner, sha256 } from '../rig/puppet-runner.ts';
import { ServerHere } from '../rig/server-here.ts';
import { type Visit, type VisitOptions, visit } from './browser.ts';

/** Bytes sent in one request: below what the server takes at once. */
const CHUNK = 4_000_000;

/** A build whose one job is run by the test: what it writes is what the page shows. */
export class LogBuild implements AsyncDisposable {
  readonly server: ServerHere;
  readonly #runner: PuppetRunner;
  readonly #work: Assignment;
  readonly #cookie: string;
  readonly path: string;
  #written: Buffer[] = [];
  #size = 0;

  private constructor(
    server: ServerHere,
    o: { runner: PuppetRunner; work: Assignment; path: string; cookie: string },
  ) {
    this.server = server;
    this.#runner = o.runner;
    this.#work = o.work;
    this.path = o.path;
    this.#cookie = o.cookie;
  }

  static async start(steps: readonly string[] = ['build']): Promise<LogBuild> {
    const server = await ServerHere.start();
    const job = { steps: steps.map((name) => ({ name, run: 'true' })) };
    const pipeline = JSON.stringify({ version: 1, jobs: { job } });
    const project = await server.project('shop', { '.reprise.yml': pipeline });
    const number = await server.push(project, project.head);
    await server.planned('shop', number);
    const runner = await PuppetRunner.connect(server);
    const { cookie } = await signIn(server, { login: 'ada', role: 'admin' });
    const path = `/projects/shop/builds/${number}`;
    return new LogBuild(server, { runner, work: await runner.take(), path, cookie });
  }

  get size(): number {
    return this.#size;
  }

  /** What was written, as text. */
  get text(): string {
    return Buffer.concat(this.#written).toString();
  }

  async write(given: string | Buffer): Promise<void> {
    const bytes = Buffer.from(given as string);
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const { status, body } = await this.#runner.log(this.#work, this.#size, bytes.subarray(at, at + CHUNK));
      if (status >= 300) throw new Error(`log: ${status} ${JSON.stringify(body)}`);
      this.#size += Math.min(CHUNK, bytes.length - at);
    }
    this.#written.push(bytes);
  }

  async steps(steps: StepState[]): Promise<void> {
    await this.#runner.progress(this.#work, steps);
  }

  async finish(status: 'passed' | 'failed', steps: StepState[] = []): Promise<void> {
    const logSha256 = sha256(Buffer.concat(this.#written));
    const answer = await this.#runner.finish(
      this.#work,
      finishOf({ status, steps, logSize: this.#size, logSha256 }),
    );
    if (answer.status >= 300) throw new Error(`finish: ${answer.status} ${JSON.stringify(answer.body)}`);
  }

  visit(browser: Browser, o: Partial<VisitOptions> = {}): Promise<Visit> {
    return visit(browser, { address: this.server.address, cookie: this.#cookie, ...o });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}

/** The log on a build's page, as its readers see and use it. */
export class LogOnPage {
  readonly page: Page;
  readonly log: Locator;

  constructor(page: Page) {
    this.page = page;
    this.log = page.getByRole('log');
  }

  /** Opens the build's page and waits for the log's first lines. */
  static async open(page: Page, path: string): Promise<LogOnPage> {
    await page.goto(path);
    const shown = new LogOnPage(page);
    await shown.log.and(page.locator('[aria-busy="false"]')).waitFor();
    return shown;
  }

  number(line: number): Locator {
    return this.log.locator(`[data-line="${line}"]`);
  }

  text(line: number): Locator {
    return this.log.locator(`div:has(> [data-line="${line}"]) > [data-log-text]`);
  }

  step(name: string): Locator {
    return this.log.getByRole('button', { name, exact: false, includeHidden: true });
  }

  /** Numbers of the lines that can be seen now. */
  seen(): Promise<number[]> {
    return this.log.evaluate((log) => {
      const { top, bottom } = log.getBoundingClientRect();
      return [...log.querySelectorAll<HTMLElement>('[data-line]')]
        .filter((line) => {
          const place = line.getBoundingClientRect();
          return place.top >= top - 1 && place.bottom <= bottom + 1;
        })
        .map((line) => Number(line.dataset['line']));
    });
  }

  /** Every line of the log, read by scrolling through it from the top. */
  async readAll(): Promise<string[]> {
    const lines = new Map<number, string>();
    await this.page.getByRole('button', { name: 'To the top' }).click();
    for (let isEnd = false; !isEnd; ) {
      await this.log.locator('[data-log-text]').first().waitFor({ state: 'attached' });
      // Lines that are still on their way look empty.
      await this.log.locator('[aria-busy="true"]').first().waitFor({ state: 'detached' });
      const part = await this.log.evaluate(async (log) => {
        const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
        await frame();
        await frame();
        const found = [...log.querySelectorAll<HTMLElement>('[data-line]')].map(
          (line) =>
            [
              Number(line.dataset['line']),
              line.parentElement?.querySelector('[data-log-text]')?.textContent ?? '',
            ] as const,
        );
        const before = log.scrollTop;
        log.scrollTop += log.clientHeight / 2;
        await frame();
        return { found, isEnd: log.scrollTop === before };
      });
      for (const [line, text] of part.found) if (text !== '' || !lines.has(line)) lines.set(line, text);
      isEnd = part.isEnd;
    }
    return [...lines].sort(([one], [other]) => one - other).map(([, text]) => text);
  }
}
