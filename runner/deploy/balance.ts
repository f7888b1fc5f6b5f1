import { serverName } from '@reprise/pipelines/hosts.ts';
import type { Course, Target } from './course.ts';
import { type Balanced, drain, HaproxyProblem, isTakenOut, ready, serverState } from './haproxy.ts';
import { drainedProgram } from './scripts/switch.ts';
import { Trouble } from './trouble.ts';

/** Takes a host out of HAProxy, where there is one. What somebody else has taken out is left to them, here and when it is put back. */
export async function takeOut(course: Course, target: Target): Promise<void> {
  const servers = serversOf(course, target);
  if (servers.length === 0 || target.drained) return;
  await course.act(target, 'drain', () =>
    asTrouble(async () => {
      for (const server of servers) {
        const { status } = await serverState(server);
        if (isTakenOut(status) && !target.drainedBefore) target.leftOut.add(server.socket);
      }
      const ours = servers.filter(({ socket }) => !target.leftOut.has(socket));
      if (ours.length > 0) await note(course, target, true);
      target.drained = true;
      const left = await Promise.all(ours.map((server) => drain(server, course.deployment.limits.drainMs)));
      const most = Math.max(0, ...left);
      if (most > 0) return { detail: `${most} requests were still under way when it was switched.` };
      target.log.say('Out of HAProxy, nothing under way.');
      return undefined;
    }),
  );
}

/** Puts a host back that was taken out by us, and waits until HAProxy sends it requests. */
export async function putBack(course: Course, target: Target): Promise<void> {
  if (!target.drained) return;
  await course.act(target, 'ready', () =>
    asTrouble(async () => {
      const ours = serversOf(course, target).filter(({ socket }) => !target.leftOut.has(socket));
      await Promise.all(ours.map((server) => ready(server, course.deployment.limits.drainMs)));
      if (ours.length > 0) await note(course, target, false);
      target.drained = false;
      target.drainedBefore = false;
      if (target.leftOut.size > 0) return { detail: 'Somebody had taken it out of HAProxy; it stays out.' };
      target.log.say('Back in HAProxy.');
      return undefined;
    }),
  );
}

function serversOf({ deployment }: Course, target: Target): Balanced[] {
  const { haproxy } = deployment.environment;
  if (haproxy === null) return [];
  const server = serverName(haproxy.server, target.name, target.index);
  return haproxy.sockets.map((socket) => ({ socket, backend: haproxy.backend, server }));
}

async function note(course: Course, target: Target, drained: boolean): Promise<void> {
  await course.run(target, drainedProgram(target.host.place, { id: course.deployment.id, drained }));
}

async function asTrouble<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof HaproxyProblem) throw new Trouble('errored', error.message);
    throw error;
  }
}
