import { NAME } from './values.ts';

/** The starter pipelines, files in `templates/`. Each makes an artifact from a repository of its kind as it is. */
export const TEMPLATES = ['node', 'python', 'make', 'static'] as const;

export type Template = (typeof TEMPLATES)[number];

/** By which files at the top of a repository a template is recognised; earlier ones win. */
const SIGNS: readonly { template: Template; files: readonly string[] }[] = [
  { template: 'node', files: ['package.json'] },
  { template: 'python', files: ['pyproject.toml', 'setup.py', 'requirements.txt'] },
  { template: 'make', files: ['Makefile', 'makefile', 'GNUmakefile'] },
  { template: 'static', files: ['index.html'] },
];

/** Picks a template by the names of the files at a repository's top, with the reason as the end of a sentence. */
export function chooseTemplate(files: readonly string[]): { template: Template; why: string } {
  for (const { template, files: signs } of SIGNS) {
    const sign = signs.find((name) => files.includes(name));
    if (sign !== undefined) return { template, why: `because there is a ${sign}` };
  }
  return { template: 'static', why: 'because nothing says how it is built, so it is packed as it is' };
}

/** Where a template's text is. */
export function templateUrl(template: Template): URL {
  return new URL(`./templates/${template}.yml`, import.meta.url);
}

/** A template's text with the artifact named after the repository's folder, as far as that makes a name. */
export function fillTemplate(text: string, folder: string): string {
  const name = folder
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
    .slice(0, 63);
  if (!NAME.test(name)) return text;
  const isPlain = /^[a-z]/.test(name) && !['true', 'false', 'null'].includes(name);
  return text.replace(/^( +name: )app$/m, (_, key: string) => key + (isPlain ? name : `'${name}'`));
}
