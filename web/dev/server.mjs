/**
 * Development server: the built page, a fake of the join request, and a SIP proxy. The conference
 * itself is a page too (`focus.html`), which must be open in some browser: `node dev/server.mjs`,
 * then open http://localhost:8090/e2e/focus.html and http://localhost:8090/join/1234.
 */

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { attachSipProxy } from './sip-proxy.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};
/** What the page must live with when the engine serves it. */
export const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "media-src 'self' blob:",
  "connect-src 'self' ws: wss:",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Rooms that answer a join with a refusal, to look at the page's words for it. */
const REFUSALS = { 409: 'full', 404: 'unknown', 410: 'closed', 429: 'hurried', 503: 'broken' };

/** Starts the server; resolves when it listens. */
export async function startServer(port = 8090) {
  let guests = 0;
  const byToken = new Map();
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const room = /^\/api\/v1\/rooms\/([^/]+)\/join$/.exec(pathname)?.[1];
    if (room !== undefined) return joinRoom(request, response, decodeURIComponent(room));
    await serveFile(response, pathname);
  });

  async function joinRoom(request, response, room) {
    let text = '';
    for await (const chunk of request) text += chunk;
    const refusal = Object.entries(REFUSALS).find(([, name]) => name === room)?.[0];
    const status = refusal === undefined ? 201 : Number(refusal);
    guests += 1;
    const { name, token } = JSON.parse(text);
    // Names in no order of time, so that both directions of the tie-break happen.
    const username = byToken.get(token) ?? `g${(guests * 7919) % 1000}x${guests}`;
    byToken.set(`token-${guests}`, username);
    const { host } = request.headers;
    const body =
      status === 201
        ? {
            username,
            displayName: name,
            token: `token-${guests}`,
            websocketUrl: `ws://${host}/sip?token=token-${guests}`,
            domain: 'talkpath.test',
            iceServers: [],
            room,
            expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
            phoneNumber: '+31201234567',
          }
        : { error: { code: 'refused', message: 'refused for development' } };
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(body));
  }

  const proxy = attachSipProxy(server, '/sip');
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return { url: `http://localhost:${server.address().port}`, proxy, close: () => server.close() };
}

async function serveFile(response, pathname) {
  const path = normalize(pathname);
  const isPage = path === '/' || /^\/join\/[^/]+\/?$/.test(path);
  const base = path.startsWith('/e2e/') ? '' : 'conference/dist';
  const file = path.startsWith('/e2e/') ? path.replace('/e2e/', '/e2e/dist/') : path;
  try {
    const body = await readFile(join(ROOT, base, isPage ? 'index.html' : file));
    response.writeHead(200, {
      'Content-Type': TYPES[isPage ? '.html' : extname(path)] ?? 'application/octet-stream',
      'Content-Security-Policy': CSP,
    });
    response.end(body);
  } catch {
    response.writeHead(404, { 'Content-Type': 'text/plain' });
    response.end('not found');
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await startServer(Number(process.env.PORT ?? 8090));
  console.log(`${url}/e2e/focus.html is the conference, ${url}/ the page`);
}
