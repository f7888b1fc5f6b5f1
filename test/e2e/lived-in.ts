import { signIn } from '../rig/accounts.ts';
import { deliver } from '../rig/github.ts';
import { Rig, type RigProject } from '../rig/reprise.ts';

/** A server on which something of every kind has happened, so that each page has something to show. */
export interface LivedIn extends AsyncDisposable {
  rig: Rig;
  /** The session of `ada`, who administers it. */
  cookie: string;
  /** Builds of the project `shop`, by what became of them. */
  builds: { passed: number; different: number; failed: number; running: number; blocked: number };
}

const STEPS = [
  { name: 'Unit tests', run: `for i in $(seq 1 60); do printf '\\033[32mok\\033[0m %s - brews\\n' $i; done` },
  { name: 'Pack', run: 'mkdir -p dist && echo tea > dist/index.html && date +%N > dist/when.txt' },
];

const PIPELINE = {
  version: 1,
  app: {
    description: 'Sells tea',
    owner: 'team-web',
    databases: ['postgres://db1.internal/shop'],
    links: { runbook: 'https://wiki.example/shop' },
  },
  on: { push: {}, pull_request: {}, schedule: [{ cron: '0 3 * * 1-5', timezone: 'Europe/Berlin' }] },
  jobs: {
    lint: { steps: [{ run: 'seq 1 40' }] },
    package: { needs: ['lint'], steps: STEPS, artifact: { name: 'shop', paths: ['dist'] } },
  },
  environments: { staging: { path: '/srv/shop', hosts: ['deploy@web1.staging', 'deploy@web2.staging'] } },
};

/** Takes some seconds: real builds are run. */
export async function startLivedIn(): Promise<LivedIn> {
  const rig = await Rig.start({ command: 'up' });
  const shop = await rig.project('shop', { '.reprise.yml': JSON.stringify(PIPELINE) });
  await rig.project('empty', { 'a.txt': 'no pipeline file' });
  const pushed = async (message: string, jobs: object) => {
    const files = { '.reprise.yml': JSON.stringify({ ...PIPELINE, jobs }) };
    return rig.push(shop, shop.repository.commit(message, files));
  };
  const passed = await rig.push(shop, shop.head);
  await rig.ended('shop', passed);
  const { number: different } = await rig.api<{ number: number }>(
    'POST',
    `/api/projects/shop/builds/${passed}/rebuild`,
    { reason: 'Same bytes?' },
  );
  const broken = { run: 'seq 1 200; echo "Error: expected 4 to equal 5"; exit 1', name: 'Unit tests' };
  const failed = await pushed('Break the checkout', { test: { steps: [{ run: 'seq 1 30' }, broken] } });
  await Promise.all([rig.ended('shop', different), rig.ended('shop', failed)]);
  const blocked = await fromFork(rig, shop);
  const running = await pushed('Take your time', {
    test: {
      steps: [
        { name: 'Seq', run: 'seq 1 200' },
        { name: 'Wait', run: rig.puppet('nobody') },
      ],
    },
    later: { needs: ['test'], steps: [{ run: 'true' }] },
  });
  await rig.logHas('shop', running, 'test', 'nobody waits');
  await rig.api('PUT', `/api/projects/shop/builds/${passed}/pin`, { reason: 'Audited' });
  await rig.api('PATCH', '/api/projects/shop', {
    retention: { days: 90, builds: 500, bytes: null, records: 'stay' },
  });
  const { cookie } = await signIn(rig.address, { login: 'ada', role: 'admin' });
  await signIn(rig.address, { login: 'bob', projects: { shop: 'developer' } });
  return {
    rig,
    cookie,
    builds: { passed, different, failed, running, blocked },
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

/** A stranger's pull request, which waits for a yes; its build's number. */
async function fromFork(rig: Rig, project: RigProject): Promise<number> {
  const { repository } = project;
  repository.git('checkout', '--quiet', '-b', 'stranger');
  const head = repository.commit('Sell coffee', { 'coffee.txt': 'black' });
  repository.git('update-ref', 'refs/pull/3/head', head);
  repository.git('checkout', '--quiet', 'main');
  const payload = {
    action: 'opened',
    number: 3,
    pull_request: {
      title: 'Sell coffee',
      head: { ref: 'coffee', sha: head, repo: null },
      base: { ref: 'main', sha: project.head, repo: { id: 1 } },
    },
    repository: { full_name: `example/${project.name}` },
    sender: { login: 'stranger' },
  };
  const response = await deliver({ ...project.webhook, event: 'pull_request', payload });
  const { builds } = (await response.json()) as { builds: { number: number }[] };
  const number = builds[0]?.number ?? 0;
  await rig.until(project.name, number, ({ status }) => status === 'blocked');
  return number;
}
