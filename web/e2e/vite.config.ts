import { defineConfig } from 'vite';

/**
 * The plain pages, and the stand-in for the conference; served under /e2e/ where they are wanted.
 */
export default defineConfig({
  base: '/e2e/',
  build: {
    target: 'es2022',
    modulePreload: false,
    rollupOptions: { input: ['jssip.html', 'sipjs.html', 'focus.html'] },
  },
});
