import { createRequire } from 'node:module';

/** GitHub's own collection of webhook payloads, by event. (The package's types do not load as an ES module.) */
export const examples: { name: string; examples: unknown[] }[] = createRequire(import.meta.url)(
  '@octokit/webhooks-examples',
);

/** The examples of one event. Fails where the collection no longer has any. */
export function examplesOf(name: string): unknown[] {
  const found = examples.find((event) => event.name === name);
  if (!found) throw new Error(`The collection has no examples of ${name}.`);
  return found.examples;
}
