/** A project's name from a clone address: its last part, in the characters a name may have. Empty where there is none. */
export function nameFrom(cloneUrl: string): string {
  const last = cloneUrl
    .trim()
    .replace(/[/\\]+$/, '')
    .replace(/\.git$/i, '')
    .split(/[/:\\]/)
    .at(-1);
  return (last ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+|-+$/g, '')
    .slice(0, 63);
}

/** `owner/name` where the address is a repository of github.com, as the server reads it; null otherwise. */
export function githubFrom(cloneUrl: string): string | null {
  const path =
    /^(?:https?:\/\/(?:www\.)?|ssh:\/\/(?:[\w.-]+@)?(?:ssh\.)?|[\w.-]+@(?:ssh\.)?)github\.com(?::\d+(?=\/))?[/:]+(.+)$/i.exec(
      cloneUrl.trim(),
    )?.[1];
  const [owner, name, ...rest] =
    path
      ?.replace(/\/+$/, '')
      .replace(/\.git$/, '')
      .split('/') ?? [];
  return owner && name && rest.length === 0 ? `${owner}/${name}` : null;
}

/** The ways a clone address can be used: a token goes over HTTPS, a deploy key over SSH. */
export function isOverSsh(cloneUrl: string): boolean {
  return /^(ssh:\/\/|[\w.-]+@[\w.-]+:)/i.test(cloneUrl.trim());
}

/** The same repository's address over SSH, which a deploy key needs. */
export function sshAddress(github: string): string {
  return `git@github.com:${github}.git`;
}

/** The same repository's address over HTTPS, which a token needs. */
export function httpsAddress(github: string): string {
  return `https://github.com/${github}.git`;
}

/** Where GitHub lists a repository's webhooks. */
export function hooksAt(github: string): string {
  return `https://github.com/${github}/settings/hooks`;
}

/** Where GitHub lets one add a webhook. */
export function newHookAt(github: string): string {
  return `${hooksAt(github)}/new`;
}

/** Where GitHub lets one add a deploy key. */
export function newKeyAt(github: string): string {
  return `https://github.com/${github}/settings/keys/new`;
}
