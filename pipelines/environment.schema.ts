import { z } from 'zod';
import { duration, insidePath, list, name, oneOrMore, script, section, wholeNumber } from './values.ts';

const PATH_RULE = 'must be an absolute path of letters, digits and ._@+- such as /srv/shop, without ".."';

const HOST_RULE = 'must be local, or user@host with an optional port, such as deploy@web1.example:2222';

/** A user that cannot be taken for an option of ssh, then a host name, an IPv4 address or an IPv6 address in brackets. */
const HOST =
  /^[A-Za-z_][A-Za-z0-9_.-]{0,31}@(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?$/;

const address = (rule: string) => z.string({ error: rule }).max(2000, rule).refine(isWebAddress, rule);

export const prepare = section('a command such as { run: ./bin/migrate, on: first }', {
  run: script('a command'),
  on: z.enum(['first', 'all'], { error: 'must be first or all' }).describe('Default: all.').optional(),
});

export const health = section('a check such as { http: "http://127.0.0.1:3000/healthz", timeout: 30s }', {
  http: address('must be an http or https address')
    .describe('Asked on each host; any 2xx will do.')
    .optional(),
  run: script('a command').describe('Runs on each host; exit code 0 will do.').optional(),
  timeout: duration('1s', '30m').describe('How long until it must have said yes. Default: 30s.').optional(),
});

export const environment = section('an environment, a map with path and hosts', {
  url: address('must be an http or https address').describe('Where people find it.').optional(),
  path: z
    .string({ error: PATH_RULE })
    .max(255, PATH_RULE)
    .regex(/^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._@+-]+)+\/?$/, PATH_RULE)
    .describe('The directory on each host that holds releases, current and shared.'),
  hosts: oneOrMore(
    z.string({ error: HOST_RULE }).refine((value) => value === 'local' || isHost(value), HOST_RULE),
    'a host',
  ).describe('local, or user@host with an optional port.'),
  keep: wholeNumber(1, 100).describe('Releases that stay on a host. Default: 5.').optional(),
  shared: list(insidePath, 'a path such as config/.env or log/')
    .describe('Linked into each release from shared; a trailing slash means a directory.')
    .optional(),
  prepare: z
    .array(prepare, { error: 'must be a list of commands, such as - { run: ./bin/migrate, on: first }' })
    .max(64, 'must hold at most 64 commands')
    .describe('Runs in the new release before anything is switched.')
    .optional(),
  restart: script('a command').describe('Runs on each host once it is switched.').optional(),
  health: health.describe('What must say yes after the switch.').optional(),
  requires: oneOrMore(name, 'the name of another environment', 16)
    .describe('Environments in which the artifact must be live and healthy first.')
    .optional(),
  approvals: wholeNumber(0, 10).describe('How many others must approve. Default: 0.').optional(),
  batch: wholeNumber(1, 1000).describe('Hosts switched at a time. Default: all at once.').optional(),
});

function isHost(value: string): boolean {
  const match = HOST.exec(value);
  if (match === null || value.includes('..')) return false;
  const port = match[1] === undefined ? 22 : Number(match[1]);
  return port >= 1 && port <= 65_535;
}

function isWebAddress(value: string): boolean {
  return /^https?:\/\/[^\s\x00-\x1f"<>\\]+$/i.test(value) && URL.canParse(value);
}
