import { type AxeResults, type RunOptions, source } from 'axe-core';
import type { Page } from 'playwright-core';

const WCAG: RunOptions = {
  runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] },
  // The many that hold need not be written out.
  resultTypes: ['violations'],
};

/** What of it can differ where only colours do. */
const COLOURS: RunOptions = {
  ...WCAG,
  runOnly: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] },
};

/** Brings axe with every page that this window loads from now on: once a load, not for every look. */
export async function bringAxe(page: Page): Promise<void> {
  await page.addInitScript(source);
}

/** What of the shown page breaks a rule of WCAG 2.2 AA, one sentence each; or only what is wrong with its colours. */
export function faultsIn(page: Page, what: 'all' | 'colours' = 'all'): Promise<string[]> {
  return page.evaluate(
    async (o) => {
      const { axe } = window as unknown as { axe: { run(o: RunOptions): Promise<AxeResults> } };
      const { violations } = await axe.run(o);
      return violations.flatMap(({ id, nodes }) =>
        nodes.map(
          ({ target, failureSummary }) =>
            `${id}: ${target.join(' ')}: ${failureSummary?.replaceAll(/\s+/g, ' ')}`,
        ),
      );
    },
    what === 'all' ? WCAG : COLOURS,
  );
}
