import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { carryOut, deploymentTo, makeArtifact } from '../../rig/deploy/deployments.ts';
import { startHosts, type TestHosts } from '../../rig/deploy/hosts.ts';
import { type Benchmark, ratioAtMost } from '../benchmark.ts';
import { alternate, pick } from '../measure.ts';

const FILES = 200;
const BYTES = 50e6;

/** Needs root, sshd and unshare: each host is a real sshd with a file system of its own. */
export const deployToHosts: Benchmark = {
  name: 'deploy-to-hosts',
  what: '50 MB that do not compress are deployed to three hosts over ssh',
  plain: 'scp, tar and ln in a loop; and to all three at once',
  goal: { deployed: ratioAtMost(1.3), 'at once': ratioAtMost(1.3) },
  async run(context) {
    await using hosts = await startHosts(3);
    const content = Array.from({ length: FILES }, (_, index) => [
      `data/${index}`,
      randomBytes(BYTES / FILES),
    ]);
    const artifact = makeArtifact(hosts.dir, Object.fromEntries(content));
    const byHand = prepareByHand(hosts, artifact.file ?? '');
    const seconds = await alternate(context, {
      async ours() {
        const start = performance.now();
        const { result, log } = await carryOut(deploymentTo(hosts, artifact, { environment: { keep: 1 } }));
        if (result.outcome !== 'done') throw new Error(log);
        const s = (performance.now() - start) / 1000;
        return { s, atOnce: s };
      },
      async plain(round) {
        const start = performance.now();
        byHand(`loop-${round}`, '');
        const loop = performance.now();
        byHand(`once-${round}`, '&');
        return { s: (loop - start) / 1000, atOnce: (performance.now() - loop) / 1000 };
      },
    });
    return [
      { name: 'deployed', unit: 's', ours: pick(seconds.ours, 's'), plain: pick(seconds.plain, 's') },
      {
        name: 'at once',
        unit: 's',
        ours: pick(seconds.ours, 'atOnce'),
        plain: pick(seconds.plain, 'atOnce'),
      },
    ];
  },
};

/** What somebody would type, with one connection for each command; `end` is `&` where nobody waits for one host before the next. */
function prepareByHand(hosts: TestHosts, file: string): (round: string, end: '' | '&') => void {
  const known = join(hosts.dir, 'known_hosts');
  writeFileSync(known, hosts.hosts.map(({ line }) => `${line}\n`).join(''));
  const options = `-F none -o UserKnownHostsFile=${known} -o BatchMode=yes -i ${join(hosts.dir, 'key')}`;
  const site = hosts.path.replace(/\/shop$/, '/by-hand');
  for (const { dir } of hosts.hosts) mkdirSync(join(dir, 'by-hand'));
  return (round, end) => {
    const script = hosts.hosts
      .map(({ port }) => {
        const unpack = `mkdir ${site}/${round} && tar -xzf ${site}/a.tar.gz -C ${site}/${round} --strip-components=1 && ln -sfn ${round} ${site}/current && rm ${site}/a.tar.gz`;
        return `{ scp ${options} -q -P ${port} ${file} root@127.0.0.1:${site}/a.tar.gz && ssh ${options} -p ${port} root@127.0.0.1 '${unpack}'; } ${end}`;
      })
      .join('\n');
    execFileSync('sh', ['-ec', `${script}\nwait`]);
    for (const { dir } of hosts.hosts) rmSync(join(dir, 'by-hand', round), { recursive: true });
  };
}
