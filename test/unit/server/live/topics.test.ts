import { buildTopic, logTopic, parseTopic } from '@reprise/server/live/topics.ts';
import { expect, test } from 'vitest';

test.each([
  ['projects', { kind: 'projects' }],
  ['project:web-shop', { kind: 'project', project: 'web-shop' }],
  [buildTopic('shop', 12), { kind: 'build', project: 'shop', build: 12 }],
  [logTopic('shop', 12, 'test', 2), { kind: 'log', project: 'shop', build: 12, job: 'test', attempt: 2 }],
])('%s is read', (text, topic) => {
  expect(parseTopic(text)).toEqual(topic);
});

test.each([
  '',
  'project:',
  'project:Shop',
  'project:../etc',
  'build:shop',
  'build:shop/0',
  'build:shop/1e3',
  'build:shop/12/test',
  'log:shop/12/test',
  'log:shop/12/test/1/2',
  'log:shop/12/test/1\n',
  '__proto__',
])('"%s" is no topic', (text) => {
  expect(parseTopic(text)).toBeNull();
});
