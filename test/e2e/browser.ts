import type { Browser, BrowserContext, Page } from 'playwright-core';

/** One person's window on the page: what it violated or threw is kept, and looked at when the test ends. */
export interface Visit extends AsyncDisposable {
  page: Page;
  context: BrowserContext;
  /** Uncaught errors, and what the content security policy reported. */
  faults: string[];
}

export interface VisitOptions {
  address: string;
  /** Of who is signed in: `name=value`, as a Cookie header has it. */
  cookie?: string;
  scheme?: 'light' | 'dark';
  width?: number;
  height?: number;
}

/** Opens a window. Faults fail the test that ends it, unless it has looked at them and emptied the list. */
export async function visit(browser: Browser, o: VisitOptions): Promise<Visit> {
  const context = await browser.newContext({
    baseURL: o.address,
    colorScheme: o.scheme ?? 'light',
    viewport: { width: o.width ?? 1280, height: o.height ?? 860 },
    acceptDownloads: true,
    reducedMotion: 'reduce',
  });
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: o.address });
  if (o.cookie) {
    const [name = '', value = ''] = o.cookie.split('=');
    await context.addCookies([{ name, value, url: o.address, httpOnly: true, sameSite: 'Lax' }]);
  }
  const faults: string[] = [];
  await context.exposeFunction('reportFault', (fault: string) => void faults.push(fault));
  await context.addInitScript(() => {
    const report = (window as unknown as { reportFault(fault: string): void }).reportFault;
    document.addEventListener('securitypolicyviolation', (event) =>
      report(
        `policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`,
      ),
    );
  });
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  return {
    page,
    context,
    faults,
    async [Symbol.asyncDispose]() {
      await context.close();
      if (faults.length > 0) throw new Error(`The page had faults:\n${faults.join('\n')}`);
    },
  };
}
