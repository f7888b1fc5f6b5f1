import definitions from '@octokit/webhooks-examples' with { type: 'json' };

/** GitHub's own collection of webhook payloads, by event. (The package's types are made for CommonJS.) */
export const examples = definitions as unknown as { name: string; examples: unknown[] }[];

/** The examples of one event. Fails where the collection no longer has any. */
export function examplesOf(name: string): unknown[] {
  const found = examples.find((event) => event.name === name);
  if (!found) throw new Error(`The collection has no examples of ${name}.`);
  return found.examples;
}
