import { notices } from './notices.svelte.ts';

/** Brings a part of the page that no first load waits for. Where the server has a newer page by now, that is said. */
export async function bring<Part>(
  load: () => Promise<{ default: Part }>,
  take: (part: Part) => void,
): Promise<void> {
  try {
    take((await load()).default);
  } catch (cause) {
    const sentence =
      'A part of the page could not be loaded. Reload the page: the server may have a newer one.';
    notices.problem(new Error(sentence, { cause }));
  }
}
