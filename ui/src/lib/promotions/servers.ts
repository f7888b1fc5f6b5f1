import type { EnvironmentAnswer, LiveHost } from '@reprise/server/environments/environment.api.ts';

/** One machine, with everything on it. */
export interface ServerSeen {
  host: string;
  applications: Application[];
}

export interface Application {
  project: string;
  environment: string;
  host: LiveHost;
}

export interface ProjectEnvironments {
  project: string;
  environments: readonly EnvironmentAnswer[];
}

/** Every host of every project once, by name, with the applications on it. `local` is the runner's own machine: one server for all. */
export function serversOf(all: readonly ProjectEnvironments[]): ServerSeen[] {
  const applications = all.flatMap(({ project, environments }) =>
    environments.flatMap(({ name, hosts }) => hosts.map((host) => ({ project, environment: name, host }))),
  );
  const byMachine = Map.groupBy(applications, ({ host }) => machineOf(host.host));
  return [...byMachine]
    .map(([host, found]) => ({ host, applications: found }))
    .toSorted((a, b) => (a.host < b.host ? -1 : 1));
}

/** Those in which every word is found: in the host's name, a project, an environment, a version, who or why. */
export function matchingServers(servers: readonly ServerSeen[], query: string): ServerSeen[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return servers.filter((server) => {
    const text = textOf(server).toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** What was last measured of the machine: the newest look of any application on it. */
export function measuredOf({ applications }: ServerSeen): LiveHost | null {
  const looked = applications.map(({ host }) => host).filter(({ lookedAt }) => lookedAt !== null);
  return looked.toSorted((a, b) => (at(b) < at(a) ? -1 : 1))[0] ?? null;
}

function at({ lookedAt }: LiveHost): number {
  return Date.parse(lookedAt ?? '');
}

/** Without the user and the port: two users of a machine are one machine. */
function machineOf(host: string): string {
  return host.replace(/^[^@]*@/, '').replace(/:\d+$/, '');
}

function textOf({ host, applications }: ServerSeen): string {
  return [
    host,
    ...applications.flatMap(({ project, environment, host: { version, build, by, reason } }) => [
      project,
      environment,
      version,
      build === null ? '' : `#${build}`,
      by,
      reason,
    ]),
  ].join(' ');
}
