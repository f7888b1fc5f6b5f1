import type { Assignment, DeployResult, HostProbe } from '@reprise/runner/protocol.ts';
import type { PromotionAnswer } from '@reprise/server/promotions/promotion.api.ts';
import { PuppetRunner, packed } from './puppet-runner.ts';
import { type Answer, type HereProject, ServerHere } from './server-here.ts';

/** A server with a project whose builds and deployments are whatever the test says they are. */
export class Promotable implements AsyncDisposable {
  readonly here: ServerHere;
  readonly builder: PuppetRunner;
  readonly deployer: PuppetRunner;
  readonly project: HereProject;

  private constructor(here: ServerHere, builder: PuppetRunner, deployer: PuppetRunner, project: HereProject) {
    this.here = here;
    this.builder = builder;
    this.deployer = deployer;
    this.project = project;
  }

  /** `environments` as in the pipeline file; `env` are more of the server's settings. */
  static async start(environments: object, env: Record<string, string> = {}): Promise<Promotable> {
    const here = await ServerHere.start({ REPRISE_LOCAL_DEPLOY_ROOT: '/srv', ...env });
    const project = await here.project('shop', pipeline(environments));
    const builder = await PuppetRunner.connect(here);
    const deployer = await PuppetRunner.connect(here, { labels: ['deploy'] });
    return new Promotable(here, builder, deployer, project);
  }

  /** The head of the default branch says something else now. Returns that commit. */
  redefine(environments: object): string {
    return this.project.repository.commit('Say otherwise', pipeline(environments));
  }

  /** A build that has passed, with an artifact of its own; of the first commit unless told. */
  async build(ref = this.project.head): Promise<number> {
    const { body } = await this.here.admin('POST', '/api/projects/shop/builds', { ref });
    await this.here.planned('shop', body.number);
    const work = await this.builder.take();
    const [content, manifest] = [`content ${body.number}`, `manifest ${body.number}`];
    const file = { ...packed('site', content, manifest), fileName: `site-${work.version}.tar.gz` };
    for (const bytes of [content, manifest]) await this.builder.putBlob(work, bytes);
    await this.builder.finish(work, { artifacts: [file] });
    return body.number;
  }

  ask(build: number, environment: string, o: { confirmOlder?: boolean } = {}): Promise<Answer> {
    const asked = { build, environment, reason: 'why not', confirmOlder: true, ...o };
    return this.here.admin('POST', '/api/projects/shop/promotions', asked);
  }

  /** What the runner is given next, and has not ended. */
  take(): Promise<Assignment> {
    return this.deployer.take();
  }

  /** Ends a deployment: on every host that it is for, as it was wished, but for what is said of single hosts. */
  async end(
    work: Assignment,
    o: {
      hosts?: Record<string, Partial<DeployResult['hosts'][number]>>;
      result?: Partial<DeployResult>;
    } = {},
  ): Promise<void> {
    const order = work.deployment;
    if (!order) throw new Error('It is no deployment.');
    const hosts = (order.only ?? order.environment.hosts).map((host) => ({
      host,
      state: 'new' as const,
      current: order.release,
      healthy: true,
      digest: 'd'.repeat(64),
      locked: false,
      ...o.hosts?.[host],
    }));
    const deployment: DeployResult = {
      outcome: 'done',
      status: 'passed',
      why: null,
      release: order.release,
      redeployed: false,
      hosts: order.kind === 'probe' ? [] : hosts,
      probes: [],
      ...o.result,
    };
    const status = deployment.status;
    await this.deployer.finish(work, { status, why: deployment.why ?? '', deployment });
  }

  /** Promotes a build and has it deployed as it was wished. */
  async deploy(build: number, environment: string): Promise<string> {
    const { body } = await this.ask(build, environment);
    await this.end(await this.take());
    return body.id;
  }

  async promotion(id: string): Promise<PromotionAnswer> {
    return (await this.here.admin('GET', `/api/projects/shop/promotions/${id}`)).body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.here[Symbol.asyncDispose]();
  }
}

/** How a host looks that is as it should be. */
export function seen(host: string, o: Partial<HostProbe>): HostProbe {
  return {
    host,
    state: 'match',
    detail: null,
    current: null,
    digest: null,
    differences: [],
    releases: [],
    lock: null,
    health: null,
    load: null,
    processors: null,
    disk: null,
    ...o,
  };
}

function pipeline(environments: object): Record<string, string> {
  const jobs = { package: { steps: [{ run: 'true' }], artifact: { name: 'site', paths: ['a'] } } };
  return { '.reprise.yml': JSON.stringify({ version: 1, jobs, environments }) };
}
