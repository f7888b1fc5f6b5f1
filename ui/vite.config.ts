import adapter from '@sveltejs/adapter-static';
import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig, type Plugin } from 'vite';
import about from './package.json' with { type: 'json' };
import { routePreloads } from './src/route-preloads.ts';

/** Where `npm run dev` finds a running server. */
const server = process.env['REPRISE_SERVER'] ?? 'http://127.0.0.1:4000';

/**
 * What the router is told before anything else of it runs: its other modules read that (base, version) when they are loaded, so they must
 * not come along.
 */
const BEGINNING = {
  name: 'beginning',
  test: /\/@sveltejs\/kit\/src\/runtime\/client\/payload\.js$|vite\/preload-helper/,
  priority: 2,
};

/** What every page needs, as one file: a browser that has nothing yet asks for few. The router's two entries must stay apart. */
const FIRST = {
  name: 'first',
  test: new RegExp(
    [
      '/node_modules/(svelte|esm-env|clsx|devalue|@sveltejs/kit|@lucide/svelte)/(?!src/runtime/client/(client-)?entry)',
      '/ui/src/lib/([^/]+$|styles/|shell/(?!Drawer|HelpDialog|Palette)|components/(?!DialogBox|MenuWhole))',
      '/ui/src/routes/\\+(layout|error)\\.',
    ].join('|'),
  ),
  priority: 1,
};

/** What opens over a page, in one file as well: it comes when the first of it is wanted. */
const LAYERS = {
  name: 'layers',
  test: /\/node_modules\/(bits-ui|@floating-ui|svelte-toolbelt|runed|tabbable)\/|\/ui\/src\/lib\/(shell\/(Drawer|HelpDialog|Palette)|components\/(DialogBox|MenuWhole))\./,
};

/** One page for every address: the server answers `index.html`, the routes folder decides what it shows. */
export default defineConfig({
  plugins: [
    stylesByDirective(),
    routePreloads(),
    sveltekit({
      adapter: adapter({ pages: 'dist', assets: 'dist', fallback: 'index.html', precompress: true }),
      compilerOptions: { runes: true },
      // Not the time of the build: the same commit makes the same page.
      version: { name: about.version },
    }),
  ],
  server: {
    proxy: { '/api': server, '/badges': server, '/socket.io': { target: server, ws: true } },
  },
  build: { reportCompressedSize: false },
  environments: {
    client: {
      build: { rolldownOptions: { output: { codeSplitting: { groups: [BEGINNING, FIRST, LAYERS] } } } },
    },
  },
});

/**
 * The content security policy lets no inline style run, and SvelteKit's announcer and some of bits-ui's parts have one. As directives the
 * same styles are set by script, which it allows.
 */
function stylesByDirective(): Plugin {
  return {
    name: 'styles-by-directive',
    enforce: 'pre',
    transform(code, id) {
      if (!id.includes('/node_modules/') || !id.endsWith('.svelte')) return;
      const styled = code.replace(/\sstyle="([^"{}]*)"/g, (_, css: string) =>
        css
          .split(';')
          .map((rule) => rule.split(':').map((part) => part.trim()))
          .filter(([name, value]) => name && value)
          .map(([name, value]) => ` style:${name}="${value}"`)
          .join(''),
      );
      return { code: styled, map: null };
    },
  };
}
