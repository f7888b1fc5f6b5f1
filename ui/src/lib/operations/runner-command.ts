/** The one command that starts a runner, to be pasted on its machine. `server` is the address that this page came from. */
export function runnerCommand(server: string, token: string): string {
  return `REPRISE_SERVER=${server} REPRISE_RUNNER_TOKEN=${token} npx reprise runner`;
}

/** Whether an address reaches the server only from its own machine. */
export function isOnlyHere(server: string): boolean {
  const { hostname } = new URL(server);
  return /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

/** The labels in what was typed, between commas and spaces, each once. */
export function labelsIn(typed: string): string[] {
  return [...new Set(typed.split(/[\s,]+/).filter(Boolean))];
}
