import { parseHost, serverName } from '@reprise/pipelines/hosts.ts';
import { expect, test } from 'vitest';

test.each([
  ['deploy@web1.prod', { user: 'deploy', host: 'web1.prod', port: 22 }],
  ['deploy@web1:2222', { user: 'deploy', host: 'web1', port: 2222 }],
  ['a@[2001:db8::1]:22', { user: 'a', host: '2001:db8::1', port: 22 }],
  ['-oProxyCommand=id@web1', null],
  ['a@-oProxyCommand=id', null],
  ['a@web1:0', null],
  ['a@web1:65536', null],
  ['a@b..c', null],
  ['a@web1 -v', null],
  ['a@web1\n', null],
  ['local', null],
])('%j', (text, parts) => expect(parseHost(text)).toEqual(parts));

test.each([
  ['{name}', 'deploy@web1.prod', 'web1'],
  ['{host}', 'deploy@web1.prod', 'web1.prod'],
  ['{name}', 'deploy@10.0.0.7', '10.0.0.7'],
  ['web-{number}', 'deploy@web1.prod', 'web-3'],
  ['s{port}', 'deploy@web1.prod:2222', 's2222'],
  ['{name}', 'local', 'local'],
])('%s of %s is %s', (template, host, name) => expect(serverName(template, host, 2)).toBe(name));
