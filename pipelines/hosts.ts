/** Who logs in where, of a host written as `user@host` with an optional `:port`. */
export interface HostAddress {
  user: string;
  /** A name, an IPv4 address, or an IPv6 address without its brackets. */
  host: string;
  port: number;
}

/** A user that cannot be taken for an option of ssh, then a host name, an IPv4 address or an IPv6 address in brackets. */
const HOST =
  /^([A-Za-z_][A-Za-z0-9_.-]{0,31})@([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?$/;

/** The parts of a host reached by ssh; null when it is not written as one. The port is 22 where none is given. */
export function parseHost(text: string): HostAddress | null {
  const [, user, host, port = '22'] = HOST.exec(text) ?? [];
  if (user === undefined || host === undefined || host.includes('..')) return null;
  if (Number(port) < 1 || Number(port) > 65_535) return null;
  return { user, host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/**
 * What HAProxy calls a host: `{host}` in the template is its whole name, `{name}` the name up to the first dot (addresses stay
 * whole), `{port}` its ssh port, `{number}` its place in the list of hosts from 1.
 */
export function serverName(template: string, host: string, index: number): string {
  const { host: name, port } = parseHost(host) ?? { host, port: 22 };
  const isAddress = name.includes(':') || /^[0-9.]+$/.test(name);
  const values: Record<string, string> = {
    host: name,
    name: isAddress ? name : (name.split('.')[0] ?? name),
    port: String(port),
    number: String(index + 1),
  };
  return template.replace(/\{([a-z]+)\}/g, (whole, key: string) => values[key] ?? whole);
}
