import { buildPage } from '@reprise/server/page/build.ts';

/** Once before all tests: servers that start side by side find the page built, and none of them builds it. */
export async function setup(): Promise<void> {
  await buildPage(() => {});
}
