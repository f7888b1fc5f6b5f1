import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { didYouMean } from '@reprise/pipelines/nearest.ts';
import { PIPELINE_FILE } from '@reprise/pipelines/problem.ts';
import {
  chooseTemplate,
  fillTemplate,
  TEMPLATES,
  type Template,
  templateUrl,
} from '@reprise/pipelines/template.ts';

/**
 * `reprise init`: writes a starter pipeline file into a repository, chosen by what it holds or by `template`. Never
 * overwrites one. Answers the exit code: 0 written, 1 there is one already, 2 used wrongly.
 */
export async function runInit(o: {
  directory: string;
  template?: string;
  json: boolean;
  out: (line: string) => void;
}): Promise<0 | 1 | 2> {
  const refuse = <Code extends 1 | 2>(code: Code, error: string): Code => {
    o.out(o.json ? JSON.stringify({ error }) : error);
    return code;
  };
  const directory = resolve(o.directory);
  const file = join(directory, PIPELINE_FILE);
  let files: string[];
  try {
    files = await readdir(directory);
  } catch (error) {
    return refuse(2, `${directory} cannot be read: ${(error as Error).message}`);
  }
  const choice = o.template === undefined ? chooseTemplate(files) : given(o.template);
  if (choice === null) {
    const hint = didYouMean(o.template ?? '', TEMPLATES) || `; there are ${TEMPLATES.join(', ')}`;
    return refuse(2, `There is no template ${JSON.stringify(o.template)}${hint}`);
  }
  const text = fillTemplate(await readFile(templateUrl(choice.template), 'utf8'), basename(directory));
  try {
    await writeFile(file, text, { flag: 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return refuse(1, `${file} exists already; nothing was changed.`);
    return refuse(1, `${file} cannot be written: ${message}`);
  }
  if (o.json) {
    o.out(JSON.stringify({ file, ...choice }));
    return 0;
  }
  o.out(`Wrote ${file} from the template ${choice.template}, ${choice.why}.`);
  o.out('Next:');
  o.out('  1. Read it and change what does not fit; the comments say how.');
  o.out(`  2. Check it:  npx reprise validate ${o.directory === '.' ? PIPELINE_FILE : file}`);
  o.out(`  3. Commit it: git add ${PIPELINE_FILE} && git commit -m "Build with Reprise" && git push`);
  return 0;
}

function given(name: string): { template: Template; why: string } | null {
  const template = TEMPLATES.find((known) => known === name);
  return template === undefined ? null : { template, why: 'as asked for' };
}
