import { readFileSync } from 'node:fs';
import type { Client } from './client.ts';
import { plain, table } from './print.ts';

interface Project {
  name: string;
  cloneUrl: string;
  github: string | null;
  defaultBranch: string | null;
  webhook: { url: string; secret?: string };
  deployKey?: { publicKey: string } | null;
  latestBuild: { number: number; status: string; branch: string | null } | null;
}

export interface AddProject {
  github?: string;
  defaultBranch?: string;
  deployKey?: boolean;
  tokenStdin?: boolean;
  json?: boolean;
}

/** `reprise project add`: registers a repository and says how to enter its webhook at GitHub. */
export async function addProject(
  client: Client,
  name: string,
  cloneUrl: string,
  o: AddProject,
): Promise<void> {
  const credential = o.deployKey
    ? { kind: 'deploy-key' }
    : o.tokenStdin
      ? { kind: 'token', token: readFileSync(0, 'utf8').trim() }
      : undefined;
  const { github, defaultBranch } = o;
  const project = await client.json<Project>('POST', '/api/projects', {
    name,
    cloneUrl,
    github,
    defaultBranch,
    credential,
  });
  if (o.json) return console.log(JSON.stringify(project));
  console.log(`Project ${project.name} builds ${project.cloneUrl}.`);
  console.log(`\nAt GitHub: Settings > Webhooks > Add webhook, content type application/json, these events:`);
  console.log(`pushes and pull requests.`);
  console.log(`  Payload URL  ${project.webhook.url}`);
  console.log(`  Secret       ${project.webhook.secret}   (shown this once)`);
  if (project.deployKey) {
    console.log(`\nAt GitHub: Settings > Deploy keys > Add deploy key, without write access:`);
    console.log(`  ${project.deployKey.publicKey}`);
  }
}

/** `reprise project list`. */
export async function listProjects(client: Client, o: { json?: boolean }): Promise<void> {
  const { items } = await client.json<{ items: Project[] }>('GET', '/api/projects?limit=200');
  if (o.json) return console.log(JSON.stringify(items));
  if (items.length === 0)
    return console.log('No projects yet. Add one: reprise project add <name> <clone-url>');
  const rows = items.map(({ name, latestBuild: build, cloneUrl }) => [
    name,
    build ? `#${build.number} ${build.status}` : 'no build yet',
    plain(cloneUrl),
  ]);
  console.log(table(['PROJECT', 'LATEST BUILD', 'REPOSITORY'], rows));
}

/** `reprise project show`. */
export async function showProject(client: Client, name: string, o: { json?: boolean }): Promise<void> {
  const project = await client.json<Project>('GET', `/api/projects/${encodeURIComponent(name)}`);
  if (o.json) return console.log(JSON.stringify(project));
  const { latestBuild: build } = project;
  const rows = [
    ['repository', plain(project.cloneUrl)],
    ['GitHub', project.github ?? '-'],
    ['default branch', plain(project.defaultBranch ?? 'not known yet')],
    ['webhook', project.webhook.url],
    ['latest build', build ? `#${build.number} ${build.status}` : 'none yet'],
    ...(project.deployKey ? [['deploy key', project.deployKey.publicKey]] : []),
  ];
  console.log(table([project.name, ''], rows));
}
