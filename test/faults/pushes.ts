import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as pass } from 'node:timers/promises';
import { type Delivery, deliver, pushPayload } from '../rig/github.ts';
import type { RigProject } from '../rig/reprise.ts';

/** A sender of webhooks that, like GitHub's, sends again what was not answered. */
export class Pushes {
  /** What was answered 2xx: the delivery's id and its build. */
  readonly acknowledged = new Map<string, number>();
  readonly #project: Omit<RigProject, 'repository'>;

  /** Of pushes to a project that is known as `example/<name>`. */
  constructor(project: Omit<RigProject, 'repository'>) {
    this.#project = project;
  }

  /** The builds that were promised. */
  get builds(): number[] {
    return [...new Set(this.acknowledged.values())];
  }

  /** Sends a push until it is answered, and again if told, as GitHub may. Returns its build's number. */
  async push({ times = 1 } = {}): Promise<number> {
    const delivery = this.#delivery();
    let number: number | null = null;
    for (let sent = 0; sent < times || number === null; sent += 1) {
      const response = await untilAnswered(delivery);
      const { builds } = (await response.json()) as { builds: { number: number }[] };
      number = builds[0]?.number ?? null;
      if (number !== null) this.acknowledged.set(delivery.guid, number);
    }
    return number ?? 0;
  }

  /** Sends a push and takes what it is answered for an answer. */
  async pushOnce(): Promise<{ status: number; body: unknown }> {
    const response = await deliver(this.#delivery());
    return { status: response.status, body: await response.json() };
  }

  #delivery(): Delivery & { guid: string } {
    const { name, head, webhook } = this.#project;
    // Another commit before it each time: else it would be taken for the same push, come by another webhook.
    const before = randomBytes(20).toString('hex');
    const payload = pushPayload({ github: `example/${name}`, branch: 'main', before, after: head });
    return { ...webhook, event: 'push', payload, guid: randomUUID() };
  }
}

async function untilAnswered(delivery: Delivery): Promise<Response> {
  for (;;) {
    const response = await deliver(delivery).catch(() => null);
    if (response?.ok) return response;
    if (response && response.status < 500) throw new Error(`${response.status} ${await response.text()}`);
    await pass(20);
  }
}
