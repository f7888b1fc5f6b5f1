import { afterAll, expect, test } from 'vitest';
import { tempDir } from '../../rig/temp.ts';
import { outputOf, startSmallRunner } from './outside.ts';
import { attemptDirectories, isRoot, sandboxRig } from './rig.ts';

const rig = await sandboxRig();
afterAll(() => rig[Symbol.asyncDispose]());

/** Prints what a server at the address says. */
const ask = (address: string, port: number) =>
  `timeout 5 bash -c 'cat </dev/tcp/${address}/${port}' 2>/dev/null || echo "${address} is closed"`;

const SERVERS = `
  for (const host of ['192.0.2.1', '169.254.169.254'])
    require('node:net').createServer((socket) => {
      socket.on('error', () => {}).end('hello from ' + host + '\\n');
    }).listen(80, host);
`;

/**
 * Runs a command in a network that stands for the host's: with a server in the world (192.0.2.1, an address for examples)
 * and one where clouds keep credentials.
 */
const IN_A_NETWORK_WITH_BOTH = [
  ...['unshare', ...(isRoot ? [] : ['--user', '--map-root-user']), '--net', 'bash', '-c'],
  [
    'set -e',
    'ip link set lo up',
    'ip address add 192.0.2.1/32 dev lo',
    'ip address add 169.254.169.254/32 dev lo',
    '"$1" -e "$0" & server=$!',
    'until (: </dev/tcp/169.254.169.254/80) 2>/dev/null; do sleep 0.05; done',
    '"$@"',
    'kill $server',
  ].join('\n'),
  SERVERS,
];

test('a step reaches the world but no link-local address, which only a route keeps it from', async () => {
  using dir = tempDir();
  const script = [ask('192.0.2.1', 80), ask('169.254.169.254', 80)].join('\n');
  const open = 'nsenter --target "$PLACE" --net ip route delete unreachable 169.254.0.0/16';
  const output = await outputOf(startSmallRunner([dir.join('data'), script, open], IN_A_NETWORK_WITH_BOTH));
  const said = output.split('\n').filter((line) => !line.startsWith('{'));
  expect(said).toEqual([
    'hello from 192.0.2.1',
    '169.254.169.254 is closed',
    'hello from 192.0.2.1',
    'hello from 169.254.169.254',
    '',
  ]);
});

test('a step cannot change the routes of its network', async () => {
  const { output } = await rig.run('ip route delete unreachable 169.254.0.0/16; ip link set tap0 down');
  expect(output.match(/Operation not permitted/g)).toHaveLength(2);
});

test('network none has a loopback of its own and nothing else', async () => {
  const script = [
    'tail -n +3 /proc/net/dev | cut -d: -f1',
    'perl -MIO::Socket::INET -e \'my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die; ' +
      'IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $s->sockport) and print "own loopback\\n"\'',
    ask('192.0.2.1', 80),
  ].join('\n');
  const { output } = await rig.run(script, { network: 'none' });
  expect(output.replaceAll(' ', '')).toBe('lo\nownloopback\n192.0.2.1isclosed\n');
});

test('what one job leaves listening is not there for the next', async () => {
  await rig.run(
    "perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(Listen => 1, LocalPort => 4321); sleep 600' & sleep 0.1",
  );
  expect(await rig.run(ask('127.0.0.1', 4321))).toMatchObject({ output: '127.0.0.1 is closed\n' });
});

test('two slots do not see each other', async () => {
  const other = await rig.sandbox.openSlot(1);
  const listening = Promise.withResolvers<void>();
  const controller = new AbortController();
  const first = rig.run(
    'perl -MIO::Socket::INET -e \'my $s = IO::Socket::INET->new(Listen => 1, LocalPort => 4321); $| = 1; print "up\\n"; sleep 600\'',
    { signal: controller.signal, onOutput: () => listening.resolve() },
  );
  await listening.promise;
  const directory = `${rig.directory}/other`;
  const second = await rig.run(ask('127.0.0.1', 4321), {
    slot: other,
    ...attemptDirectories(directory, other),
  });
  controller.abort();
  await first;
  expect(second).toMatchObject({ output: '127.0.0.1 is closed\n' });
});
