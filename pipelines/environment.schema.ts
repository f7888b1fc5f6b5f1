import { z } from 'zod';
import { cron } from './cron.ts';
import { parseHost } from './hosts.ts';
import {
  duration,
  insidePath,
  list,
  name,
  oneLine,
  oneOrMore,
  pattern,
  script,
  section,
  wholeNumber,
} from './values.ts';
import { secretName } from './variables.ts';

const PATH_RULE = 'must be an absolute path of letters, digits and ._@+- such as /srv/shop, without ".."';

const HOST_RULE = 'must be local, or user@host with an optional port, such as deploy@web1.example:2222';

const JUMP_RULE = 'must be user@host with an optional port, such as deploy@bastion.example:2222';

const INSTANT_RULE = 'must be a moment in UTC such as 2026-12-24T00:00Z';

const SOCKET_RULE = 'must be tcp://host:port, or the absolute path of a socket on the machine of the runner';

const SERVER_RULE =
  'must be of letters, digits and ._:- and may hold {host}, {name}, {port} and {number}, such as web-{number}';

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

const instant = z
  .string({ error: INSTANT_RULE })
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?Z$/, INSTANT_RULE)
  .refine(isInstant, INSTANT_RULE);

export const freezeWindow = section(
  'a time such as { from: 2026-12-23T00:00Z, to: 2027-01-02T00:00Z } or { cron: "0 15 * * 5", duration: 64h }',
  {
    from: instant.describe('The first moment of the time, in UTC.').optional(),
    to: instant.describe('The first moment after it, in UTC.').optional(),
    cron: cron.describe('When it begins, again and again, in UTC.').optional(),
    duration: duration('1m', '744h').describe('How long it then lasts.').optional(),
    reason: oneLine(200).describe('Shown to whoever is held up.').optional(),
  },
);

export const haproxy = section('a map such as { socket: "tcp://lb.internal:9999", backend: shop }', {
  socket: oneOrMore(z.string({ error: SOCKET_RULE }).refine(isSocket, SOCKET_RULE), 'a socket', 8).describe(
    "HAProxy's runtime sockets of level admin: tcp://host:port or a path, as the runner reaches them.",
  ),
  backend: z
    .string({ error: "must be a backend's name" })
    .regex(/^[A-Za-z0-9_.:-]{1,128}$/, "must be a backend's name: letters, digits and ._:-"),
  server: z
    .string({ error: SERVER_RULE })
    .regex(/^(?=.{1,128}$)(?:[A-Za-z0-9_.:-]|\{(?:host|name|port|number)\})+$/, SERVER_RULE)
    .describe("What HAProxy calls a host. Default: {name}, the host's name up to the first dot.")
    .optional(),
});

export const environment = section('an environment, a map with path and hosts', {
  url: address('must be an http or https address').describe('Where people find it.').optional(),
  path: z
    .string({ error: PATH_RULE })
    .max(255, PATH_RULE)
    .regex(/^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._@+-]+)+\/?$/, PATH_RULE)
    .describe('The directory on each host that holds releases, current and shared.'),
  hosts: oneOrMore(
    z
      .string({ error: HOST_RULE })
      .refine((value) => value === 'local' || parseHost(value) !== null, HOST_RULE),
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
  branches: oneOrMore(pattern, 'a branch pattern', 64)
    .describe('Branches whose artifacts may go there. Default: all.')
    .optional(),
  reproducible: z
    .literal('required', { error: 'must be required, or be left out' })
    .describe('Only artifacts that a rebuild has made again, byte for byte.')
    .optional(),
  freeze: z
    .union([freezeWindow, z.array(freezeWindow).min(1).max(64)], {
      error: 'must be a time in which nothing may go there, or a list of at most 64 of them',
    })
    .describe('When nothing may go there. Rolling back is always possible.')
    .optional(),
  haproxy: haproxy.describe('Takes hosts out of HAProxy while they are switched.').optional(),
  secrets: oneOrMore(secretName, 'the name of a secret', 64)
    .describe('Secrets that its commands see as environment variables.')
    .optional(),
  jump: z
    .string({ error: JUMP_RULE })
    .refine((value) => parseHost(value) !== null, JUMP_RULE)
    .describe('The host through which the others are reached.')
    .optional(),
});

function isInstant(value: string): boolean {
  const at = Date.parse(value);
  // A day that the month does not have would be read as one of the next.
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(value.slice(0, 16));
}

/** A connection to another machine's runtime socket, or a path on the runner's own. */
function isSocket(value: string): boolean {
  if (value.length > 255) return false;
  if (value.startsWith('tcp://'))
    return parseHost(`haproxy@${value.slice(6)}`) !== null && /:[0-9]+$/.test(value);
  return /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._@+-]+)+$/.test(value);
}

function isWebAddress(value: string): boolean {
  return /^https?:\/\/[^\s\x00-\x1f"<>\\]+$/i.test(value) && URL.canParse(value);
}
