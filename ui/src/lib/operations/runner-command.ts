/** The one command that starts a runner, to be pasted on its machine. `server` is the address that this page came from. */
export function runnerCommand(server: string, token: string): string {
  return `REPRISE_SERVER=${server} REPRISE_RUNNER_TOKEN=${token} npx reprise runner`;
}
