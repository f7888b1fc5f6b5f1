import { type Course, commandVariables, releasePath, type Target } from './course.ts';
import type { DeployArtifact } from './deployment.ts';
import type { Said } from './hosts/session.ts';
import { manifestText, measuredDigest, readMeasured } from './manifest.ts';
import { commandProgram } from './scripts/command.ts';
import { manifestProgram, measureProgram, unpackProgram } from './scripts/unpack.ts';
import { releaseJson } from './texts.ts';
import { onAll, Trouble } from './trouble.ts';

/**
 * Makes the release on every host, without touching what is live: the bytes, proved on the host; the commands of `prepare`, each on
 * its hosts before the next begins; and the record of what was installed.
 */
export async function prepareHosts(course: Course, artifact: DeployArtifact): Promise<void> {
  const { file } = artifact;
  if (file === null) throw new Trouble('errored', `The bytes of ${artifact.fileName} are not at hand.`);
  const { prepare } = course.deployment.environment;
  await onAll(course.targets, (target) =>
    course.act(target, 'prepare', async () => {
      const said = await unpack(course, target, artifact, file);
      return prepare.length === 0 ? { digest: await keepRecord(course, target, artifact, said) } : undefined;
    }),
  );
  if (prepare.length === 0) return;
  for (const { run, on } of prepare) {
    course.heed();
    const targets = on === 'first' ? course.targets.slice(0, 1) : course.targets;
    await onAll(targets, (target) =>
      course.act(target, 'prepare', () => runCommand(course, target, run, 'prepare')),
    );
  }
  await onAll(course.targets, (target) =>
    course.act(target, 'prepare', async () => {
      const program = measureProgram(target.host.place, { release: course.release, list: 'paths' });
      return { digest: await keepRecord(course, target, artifact, await course.run(target, program)) };
    }),
  );
}

/** Runs one command of the pipeline file in the new release, or in the one that is put back (not `isNew`). */
export async function runCommand(
  course: Course,
  target: Target,
  command: string,
  limit: 'prepare' | 'restart',
  at: { directory: string; release: string; isNew: boolean } = {
    directory: releasePath(target, course.release),
    release: course.release,
    isNew: true,
  },
): Promise<undefined> {
  const first = command.trim().split('\n', 1)[0] ?? '';
  target.log.say(`$ ${first}${command.trim().includes('\n') ? ' …' : ''}`);
  const exported = commandVariables(course, target, at);
  const program = commandProgram(target.host.place, { target: at.directory, command, exported });
  const { prepareMs, restartMs } = course.deployment.limits;
  const timeoutMs = limit === 'prepare' ? prepareMs : restartMs;
  const code = (await course.run(target, program, { timeoutMs, canStop: true })).get('code');
  if (code !== '0')
    throw new Trouble('failed', `The command of ${limit} ended with ${code} on ${target.name}.`);
}

async function unpack(course: Course, target: Target, artifact: DeployArtifact, file: string): Promise<Said> {
  const { environment, limits } = course.deployment;
  target.prepared = true;
  const program = unpackProgram(target.host.place, {
    release: course.release,
    sha256: artifact.sha256,
    top: artifact.fileName.replace(/\.tar\.gz$/, ''),
    shared: environment.shared,
    revision: artifact.commit,
    revisionTime: String(artifact.commitTime),
    releaseJson: releaseJson(course.deployment, artifact, course.release),
    isFinal: environment.prepare.length === 0,
  });
  const said = await course.run(target, program, { timeoutMs: limits.uploadMs, input: { file } });
  target.log.say(
    `Release ${course.release} is unpacked; ${artifact.fileName} arrived as sha256 ${artifact.sha256}.`,
  );
  return said;
}

/** Records what was measured, on the host and in the answer. Without commands and shared paths in between, what was unpacked must be the artifact itself. */
async function keepRecord(
  course: Course,
  target: Target,
  artifact: DeployArtifact,
  said: Said,
): Promise<string> {
  const { environment } = course.deployment;
  const { place } = target.host;
  const measured = readMeasured(said, environment.shared);
  const digest = measuredDigest(measured);
  const isPlain = environment.prepare.length === 0 && environment.shared.length === 0;
  const holdsOwn = measured.entries.length !== countOf(said);
  if (isPlain && !holdsOwn && digest !== artifact.treeSha256)
    throw new Trouble('errored', `What was unpacked on ${target.name} is not the artifact (${digest}).`);
  await course.run(target, manifestProgram(place, course.release), {
    input: { text: manifestText(measured) },
  });
  target.digest = digest;
  return digest;
}

/** All the artifact's paths, also those that are left out of the digest. */
function countOf(said: Said): number {
  return (said.get('kinds') ?? '').split('\n').length - 1;
}
