import adapter from '@sveltejs/adapter-static';
import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vite';
import about from './package.json' with { type: 'json' };

/** Where `npm run dev` finds a running server. */
const server = process.env['REPRISE_SERVER'] ?? 'http://127.0.0.1:4000';

/** One page for every address: the server answers `index.html`, the routes folder decides what it shows. */
export default defineConfig({
  plugins: [
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
});
