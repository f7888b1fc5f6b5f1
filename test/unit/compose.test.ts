import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseRunnerConfig } from '@reprise/runner/config.ts';
import { parseServerConfig } from '@reprise/server/config.ts';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { HAPROXY_CFG } from '../rig/haproxy.ts';

interface Service {
  image: string;
  command?: string;
  environment?: Record<string, string>;
  depends_on?: string[] | Record<string, object>;
  volumes?: string[];
  networks?: { default: { ipv4_address: string } };
  stop_grace_period?: string;
  [key: string]: unknown;
}

interface Compose {
  services: Record<string, Service>;
  volumes: Record<string, null>;
}

const FILES = { one: 'compose.yaml', several: 'docs/several-servers/compose.yaml' };
const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const textOf = (path: string) => readFileSync(root(path), 'utf8');
const read = (path: string): Compose => parse(textOf(path), { merge: true });

/** What people set before they start it. */
const GIVEN: Record<string, string> = {
  POSTGRES_PASSWORD: 'a'.repeat(48),
  STORAGE_SECRET: 'b'.repeat(48),
  REPRISE_SECRET_KEY: 'c'.repeat(64),
  REPRISE_ADMIN_TOKEN: 'd'.repeat(48),
  REPRISE_RUNNER_REGISTRATION: 'e'.repeat(64),
  REPRISE_RUNNER_TOKEN: 'rpr_token',
  REPRISE_URL: 'https://ci.example.com',
};

/** A service's environment as compose fills it in. */
function environmentOf({ environment = {} }: Service): Record<string, string> {
  const filled = (text: string) =>
    text.replace(
      /\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}/g,
      (_all, name, fallback) => GIVEN[name] ?? fallback ?? '',
    );
  return Object.fromEntries(Object.entries(environment).map(([name, text]) => [name, filled(String(text))]));
}

const ours = (file: string, command: string) =>
  Object.values(read(file).services).filter((service) => service.command === command);

describe.each(Object.values(FILES))('%s', (file) => {
  test('starts servers and runners with settings that they know and accept', () => {
    const servers = ours(file, 'server').map((service) => parseServerConfig(environmentOf(service)));
    const runners = ours(file, 'runner').map((service) => parseRunnerConfig(environmentOf(service)));
    expect(servers.length).toBeGreaterThan(0);
    expect(runners.length).toBeGreaterThan(0);
    for (const { problems, warnings } of [...servers, ...runners])
      expect({ problems, warnings }).toEqual({ problems: [], warnings: [] });
  });

  test('names services, volumes and files that there are', () => {
    const { services, volumes } = read(file);
    for (const { depends_on: needs = [], volumes: mounts = [] } of Object.values(services)) {
      for (const name of Array.isArray(needs) ? needs : Object.keys(needs))
        expect(services).toHaveProperty(name);
      for (const source of mounts.map((mount) => mount.split(':')[0] ?? ''))
        if (source.startsWith('./')) expect(existsSync(root(`${file}/../${source}`))).toBe(true);
        else expect(Object.keys(volumes)).toContain(source);
    }
    const kept = [...ours(file, 'server'), ...ours(file, 'runner')].map((service) => service.volumes?.[0]);
    expect(new Set(kept).size).toBe(kept.length);
  });

  test('has no default for a secret', () => {
    const secrets = /\$\{[A-Z_]*(?:TOKEN|KEY|PASSWORD|SECRET|REGISTRATION)\w*:-[^}]+\}/;
    expect(textOf(file)).not.toMatch(secrets);
  });
});

test('every runner gets the same for its sandbox, and time to finish; a server gets neither', () => {
  const privileges = ({ cap_add, security_opt, devices, stop_grace_period }: Service) => ({
    cap_add,
    security_opt,
    devices,
    stop_grace_period,
  });
  const runners = Object.values(FILES).flatMap((file) => ours(file, 'runner').map(privileges));
  expect(runners).toHaveLength(3);
  expect(new Set(runners.map((runner) => JSON.stringify(runner))).size).toBe(1);
  for (const server of Object.values(FILES).flatMap((file) => ours(file, 'server')))
    expect(privileges(server)).toEqual({ stop_grace_period: '40s' });
});

test('three servers share their engines, the key and the registration secret, and believe HAProxy alone', () => {
  const { services } = read(FILES.several);
  const [first, ...others] = ours(FILES.several, 'server').map(environmentOf);
  expect(others).toEqual([first, first]);
  const { config } = parseServerConfig(first ?? {});
  expect(config).toMatchObject({ redis: expect.anything(), storage: { bucket: 'reprise' } });
  for (const name of ['databaseUrl', 'secretKey', 'runnerRegistration'] as const)
    expect(config?.[name]).not.toBeNull();
  const { storage, haproxy, postgres } = services;
  expect(config?.storage?.accessKeyId).toBe(storage?.environment?.['ROOT_ACCESS_KEY']);
  expect(haproxy?.networks).toEqual({ default: { ipv4_address: config?.trustProxy } });
  expect(postgres?.environment?.['POSTGRES_INITDB_ARGS']).toContain('--locale=C');
});

test('HAProxy balances exactly the servers that compose starts, and runners come through it', () => {
  const { services } = read(FILES.several);
  const named = readFileSync(HAPROXY_CFG, 'utf8').matchAll(/^ +server \S+ (\S+):4000$/gm);
  const servers = Object.keys(services).filter((name) => services[name]?.command === 'server');
  expect([...named].map(([, name]) => name)).toEqual([...servers, ...servers]);
  const placed = servers.map((name) => `${name}:${services[name]?.networks?.default.ipv4_address}`);
  expect(services['haproxy']?.['extra_hosts']).toEqual(placed);
  for (const runner of ours(FILES.several, 'runner').map(environmentOf))
    expect(runner['REPRISE_SERVER']).toBe('http://haproxy:8080');
  expect(readFileSync(HAPROXY_CFG, 'utf8')).toContain('bind :8080');
});
