export type GitProtocol = 'https' | 'http' | 'ssh' | 'file';

/** Where a repository is fetched from, taken apart and free of credentials. */
export interface CloneUrl {
  protocol: GitProtocol;
  /** Empty for `file`. */
  host: string;
  /** null: the protocol's own. */
  port: number | null;
  path: string;
}

export type ParsedCloneUrl = { url: CloneUrl; problem: null } | { url: null; problem: string };

/**
 * Reads a clone address: `https://…`, `ssh://…`, `user@host:path`, and, where `protocols` list them, `http://…`, `file://…` and
 * absolute paths. What git could take for an option, a helper program or a credential is refused with a sentence.
 */
export function parseCloneUrl(text: string, protocols: readonly string[]): ParsedCloneUrl {
  if (text.length > 2048) return refuse('The clone address is longer than 2048 characters.');
  if (/[\0-\x20\x7f]/.test(text))
    return refuse('The clone address has a space, line break or control character in it.');
  if (text.startsWith('-')) return refuse('The clone address begins with a dash.');
  if (/^[^/:@]*::/.test(text))
    return refuse('The clone address names a git helper program; those are not supported.');
  const parsed = takeApart(text);
  if (parsed.url && !protocols.includes(parsed.url.protocol)) {
    const { protocol } = parsed.url;
    return refuse(
      `This server does not fetch over ${protocol} (only ${protocols.join(', ')}). ` +
        `Use another clone address, or add ${protocol} to REPRISE_GIT_PROTOCOLS.`,
    );
  }
  return parsed;
}

/** `owner/name` where the address is a repository of github.com; null otherwise. */
export function githubName(url: CloneUrl): string | null {
  if (!/^(www\.|ssh\.)?github\.com$/i.test(url.host)) return null;
  const [owner, name, ...rest] = url.path
    .replace(/^\/+|\/+$/g, '')
    .replace(/\.git$/, '')
    .split('/');
  return owner && name && rest.length === 0 ? `${owner}/${name}` : null;
}

const FORMS = 'https://host/path, ssh://user@host/path or user@host:path';

function takeApart(text: string): ParsedCloneUrl {
  if (text.startsWith('/')) return local(text);
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined) return fromUrl(text, scheme);
  const scp = /^(?:([A-Za-z0-9_][\w.-]*)@)?([A-Za-z0-9][A-Za-z0-9.-]*):([^-:].*)$/.exec(text);
  if (!scp) return refuse(`The clone address is none that is understood; write ${FORMS}.`);
  return accept({ protocol: 'ssh', host: scp[2] ?? '', port: null, path: scp[3] ?? '' });
}

function fromUrl(text: string, scheme: string): ParsedCloneUrl {
  if (scheme !== 'https' && scheme !== 'http' && scheme !== 'ssh' && scheme !== 'file')
    return refuse(`The clone address uses ${scheme}, which is not supported; write ${FORMS}.`);
  if (!URL.canParse(text)) return refuse(`The clone address is not a well-formed address; write ${FORMS}.`);
  const url = new URL(text);
  if (url.password || (url.username && scheme !== 'ssh'))
    return refuse(
      'The clone address carries credentials. Take them out and give them as "credential" ' +
        '({"kind": "token", "token": …}): there they are stored encrypted and never shown.',
    );
  if (url.search || url.hash) return refuse('The clone address has a query or fragment; take it away.');
  if (scheme === 'file')
    return url.host ? refuse('A file:// address names a host; write file:///path.') : local(url.pathname);
  if (!/^([a-z0-9][a-z0-9.-]*|\[[0-9a-f:.]+\])$/i.test(url.hostname) || url.username.startsWith('-'))
    return refuse('The clone address has no proper host name.');
  if (url.pathname === '' || url.pathname === '/')
    return refuse('The clone address names no repository on its host.');
  return accept({
    protocol: scheme,
    host: url.hostname,
    port: url.port ? Number(url.port) : null,
    path: url.pathname,
  });
}

function local(path: string): ParsedCloneUrl {
  if (path.split('/').includes('..')) return refuse('The path of the repository contains "..".');
  return accept({ protocol: 'file', host: '', port: null, path });
}

const accept = (url: CloneUrl): ParsedCloneUrl => ({ url, problem: null });
const refuse = (problem: string): ParsedCloneUrl => ({ url: null, problem });
