import type { Plugin, Rolldown } from 'vite';
import { FIRST_ASKS } from './first-asks.ts';

/** The router's parts: 0 is the layout, 1 the page of errors, each further one a page. It wants the first two at once. */
const NODE = /\/nodes\/(\d+)\.js$/;
const PAGE = /\/src\/routes(\/.*)?\/\+page\.svelte$/;

/**
 * Writes `_app/preloads.json`, by which the server names with each document what belongs to its page: `path` is the source of
 * an expression, whose groups stand for `$1`, `$2`, … in `asks`. Otherwise a browser learns that only once the page's program runs.
 */
export function routePreloads(): Plugin {
  return {
    name: 'route-preloads',
    applyToEnvironment: ({ name }) => name === 'client',
    generateBundle(_options, bundle) {
      const nodes = Object.values(bundle).flatMap((file) => {
        const number = file.type === 'chunk' && NODE.exec(file.facadeModuleId ?? '')?.[1];
        return number ? [{ number: Number(number), files: filesOf(file, bundle), ids: file.moduleIds }] : [];
      });
      const ofNode = (wanted: number) => nodes.find(({ number }) => number === wanted)?.files ?? [];
      const inDocument = new Set(ofNode(0));
      const routes = nodes.flatMap(({ files, ids }) => {
        const page = ids.map((id) => PAGE.exec(id)).find((match) => match !== null);
        if (!page) return [];
        const route = page[1] ?? '/';
        const further = [...new Set([...files, ...ofNode(1)])].filter((file) => !inDocument.has(file));
        return [
          {
            path: `^${route.replaceAll(/\[\w+\]/g, '([\\w.~%-]+)')}$`,
            scripts: further.filter((file) => file.endsWith('.js')),
            styles: further.filter((file) => file.endsWith('.css')),
            asks: FIRST_ASKS[route] ?? [],
          },
        ];
      });
      // `/projects/new` before `/projects/[project]`.
      routes.sort((a, b) => Number(a.path.includes('(')) - Number(b.path.includes('(')));
      this.emitFile({ type: 'asset', fileName: '_app/preloads.json', source: JSON.stringify(routes) });
    },
  };
}

/** A chunk's own address, those of its styles and of all it imports. */
function filesOf(chunk: Rolldown.OutputChunk, bundle: Rolldown.OutputBundle): string[] {
  const found = new Set<string>();
  const add = (name: string) => {
    const file = bundle[name];
    if (file?.type !== 'chunk' || found.has(`/${name}`)) return;
    found.add(`/${name}`);
    for (const style of file.viteMetadata?.importedCss ?? []) found.add(`/${style}`);
    for (const imported of file.imports) add(imported);
  };
  add(chunk.fileName);
  return [...found];
}
