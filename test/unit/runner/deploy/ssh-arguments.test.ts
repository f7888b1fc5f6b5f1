import { sshArguments, sshConfig } from '@reprise/runner/deploy/hosts/ssh-arguments.ts';
import { expect, test } from 'vitest';

const files = { key: '/p/0.key', knownHosts: '/p/0.known_hosts', socket: '/p/0.socket', config: null };
const address = { user: 'deploy', host: 'web1.prod', port: 2222 };

test('a connection is made with the pinned keys, the given key and nothing of the machine', () => {
  const words = sshArguments(address, files, { master: true, jump: null, command: 'COMMAND' });
  expect(words.join(' ')).toBe(
    '-F none -T -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/p/0.known_hosts ' +
      '-o GlobalKnownHostsFile=/dev/null -o UpdateHostKeys=no -o IdentitiesOnly=yes -o IdentityFile=/p/0.key ' +
      '-o PasswordAuthentication=no -o KbdInteractiveAuthentication=no -o ForwardAgent=no -o ClearAllForwardings=yes ' +
      '-o PermitLocalCommand=no -o ConnectTimeout=10 -o ServerAliveInterval=10 -o ServerAliveCountMax=3 ' +
      '-o Ciphers=aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr ' +
      '-o ProxyCommand=none -o ControlMaster=yes -o ControlPath=/p/0.socket -o ControlPersist=no ' +
      '-p 2222 -- deploy@web1.prod COMMAND',
  );
});

test('the others go through its socket', () => {
  const words = sshArguments(address, files, { master: false, jump: null, command: 'COMMAND' });
  expect(words).toContain('ControlMaster=no');
  expect(words).toContain('ControlPath=/p/0.socket');
});

test('a jump host is reached with the same options, from a file', () => {
  const jump = { user: 'deploy', host: '2001:db8::1', port: 22 };
  const words = sshArguments(
    address,
    { ...files, config: '/p/0.config' },
    { master: true, jump, command: 'C' },
  );
  expect(words.slice(0, 2)).toEqual(['-F', '/p/0.config']);
  expect(words[words.indexOf('-J') + 1]).toBe('deploy@[2001:db8::1]:22');
  expect(words).not.toContain('ProxyCommand=none');
  expect(sshConfig(files).split('\n')).toEqual(
    expect.arrayContaining([
      'StrictHostKeyChecking yes',
      'UserKnownHostsFile /p/0.known_hosts',
      'GlobalKnownHostsFile /dev/null',
      'IdentityFile /p/0.key',
      'BatchMode yes',
      'ProxyCommand none',
    ]),
  );
});
