import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/** One page, without anything inline, so that a strict Content-Security-Policy holds. */
export default defineConfig({
  resolve: {
    alias: { '@talkpath/web': fileURLToPath(new URL('../sdk/src/index.ts', import.meta.url)) },
  },
  build: {
    target: 'es2022',
    modulePreload: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 600,
  },
});
