/** Serves the built plain pages, which the engine does not: `npm run build:e2e`. */

import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = join(dirname(fileURLToPath(import.meta.url)), 'dist');
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

/** Resolves when `url` serves them. */
export async function servePages() {
  if (!existsSync(join(DIST, 'jssip.html'))) throw new Error(`nothing in ${DIST}; build:e2e`);
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const file = join(DIST, normalize(pathname.replace(/^\/e2e\//, '/')));
    const type = TYPES[extname(file)];
    if (!type || !existsSync(file)) return response.writeHead(404).end();
    return response.writeHead(200, { 'content-type': type }).end(readFileSync(file));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}
