import { readFileSync } from 'node:fs';
import { chooseTemplate, fillTemplate, TEMPLATES, templateUrl } from '@reprise/pipelines/template.ts';
import { describe, expect, test } from 'vitest';
import { read, readJob } from './read.ts';

test.each([
  [['package.json', 'Makefile'], 'node'],
  [['pyproject.toml', 'Makefile'], 'python'],
  [['requirements.txt'], 'python'],
  [['GNUmakefile', 'index.html'], 'make'],
  [['index.html', 'README.md'], 'static'],
  [['README.md'], 'static'],
  [[], 'static'],
])('a repository with %j gets the template %s', (files, template) => {
  expect(chooseTemplate(files).template).toBe(template);
});

test('the choice says why', () => {
  expect(chooseTemplate(['setup.py']).why).toBe('because there is a setup.py');
});

describe.each(TEMPLATES)('%s', (template) => {
  const text = readFileSync(templateUrl(template), 'utf8');

  test('is valid and makes an artifact', () => {
    expect(readJob(text).artifacts).toEqual([expect.objectContaining({ name: 'app', paths: ['.'] })]);
  });

  test.each([
    ['shop', 'shop'],
    ['My Shop!', 'my-shop'],
    ['.dotfiles', 'dotfiles'],
    ['10', '10'],
    ['true', 'true'],
    ['x'.repeat(100), 'x'.repeat(63)],
    ['$&', 'app'],
    ['', 'app'],
  ])('in the folder %j names its artifact %j', (folder, name) => {
    expect(readJob(fillTemplate(text, folder)).artifacts[0]?.name).toBe(name);
  });

  test('is still valid once its commented filters are used', () => {
    const uncommented = text.replace(/^# (on:| {2}push:| {2}pull_request:)/gm, '$1');
    expect(read(uncommented).on.push?.branches).toEqual(['main', 'release/**']);
  });
});
