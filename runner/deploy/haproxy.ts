import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { parseHost } from '@reprise/pipelines/hosts.ts';

/** One server of a backend, at one load balancer's runtime socket. */
export interface Balanced {
  socket: string;
  backend: string;
  server: string;
}

/** What `show stat` says of a server: requests under way, and a status such as `UP`, `DOWN`, `DRAIN`, `MAINT`, `no check`. */
export interface ServerState {
  sessions: number;
  status: string;
}

const ANSWER_MS = 5000;
const MOST_ANSWER = 64 * 1024 * 1024;
const PAUSE_MS = 100;

/** Throws a `HaproxyProblem` when HAProxy cannot be asked or does not know the server. */
export async function serverState(at: Balanced): Promise<ServerState> {
  const [header = '', ...lines] = (await ask(at.socket, 'show stat')).split('\n');
  const columns = header.replace(/^# /, '').split(',');
  const find = (name: string) => columns.indexOf(name);
  const row = lines
    .map((line) => line.split(','))
    .find((fields) => fields[find('pxname')] === at.backend && fields[find('svname')] === at.server);
  if (row === undefined)
    throw new HaproxyProblem(`HAProxy at ${at.socket} has no server ${at.server} in ${at.backend}.`);
  return { sessions: Number(row[find('scur')]), status: row[find('status')] ?? '' };
}

/**
 * Takes the server out: it gets no new requests from the moment of HAProxy's answer. Resolves when the last one under way has been
 * answered, or with how many are left when `timeoutMs` is over.
 */
export async function drain(at: Balanced, timeoutMs: number): Promise<number> {
  await setState(at, 'drain');
  return until(
    timeoutMs,
    async () => (await serverState(at)).sessions,
    (left) => left === 0,
  );
}

/** Puts the server back, and waits until HAProxy sends it requests again; throws when it does not within `timeoutMs`. */
export async function ready(at: Balanced, timeoutMs: number): Promise<void> {
  await setState(at, 'ready');
  const status = await until(timeoutMs, async () => (await serverState(at)).status, isServing);
  if (!isServing(status))
    throw new HaproxyProblem(
      `HAProxy at ${at.socket} says that ${at.server} is ${status} after it was made ready.`,
    );
}

/** Whether somebody took it out on purpose. */
export function isTakenOut(status: string): boolean {
  return /^(?:MAINT|DRAIN)/.test(status);
}

export class HaproxyProblem extends Error {}

/** The command line for one server: names are letters, digits and ._:- only, so that nothing can end it. */
export function stateCommand({ backend, server }: Balanced, state: 'drain' | 'ready'): string {
  for (const name of [backend, server]) {
    if (!/^[A-Za-z0-9_.:-]+$/.test(name)) throw new TypeError(`no name of HAProxy's: ${name}`);
  }
  return `set server ${backend}/${server} state ${state}`;
}

async function setState(at: Balanced, state: 'drain' | 'ready'): Promise<void> {
  const answer = (await ask(at.socket, stateCommand(at, state))).trim();
  if (answer !== '') throw new HaproxyProblem(`HAProxy at ${at.socket} refused: ${answer.slice(0, 300)}`);
}

function isServing(status: string): boolean {
  return status.startsWith('UP') || status === 'no check';
}

/** Asks until the answer will do or the time is over; the last answer. */
async function until<T>(
  timeoutMs: number,
  look: () => Promise<T>,
  willDo: (value: T) => boolean,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await look();
    if (willDo(value) || performance.now() >= end) return value;
    await wait(PAUSE_MS);
  }
}

/** One command, one connection: HAProxy answers and hangs up. */
function ask(socket: string, command: string): Promise<string> {
  const tcp = socket.startsWith('tcp://') ? parseHost(`haproxy@${socket.slice('tcp://'.length)}`) : null;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const connection = connect(tcp === null ? { path: socket } : { host: tcp.host, port: tcp.port });
  const fail = (why: string) => {
    connection.destroy();
    reject(new HaproxyProblem(`HAProxy at ${socket} cannot be asked: ${why}.`));
  };
  let answer = '';
  connection.setTimeout(ANSWER_MS, () => fail('it does not answer'));
  connection.setEncoding('utf8');
  connection.on('error', (error) => fail(error.message));
  connection.on('data', (text: string) => {
    answer += text;
    if (answer.length > MOST_ANSWER) fail('it answers without an end');
  });
  connection.on('end', () => resolve(answer));
  connection.write(`${command}\n`);
  return promise;
}
