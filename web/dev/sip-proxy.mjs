/**
 * A SIP registrar and proxy over WebSocket for development, just enough for pages to call each
 * other without the engine. It believes everybody who they say they are: never for use on a
 * network.
 */

import { WebSocketServer } from 'ws';

/** Serves SIP at `path` of an HTTP server. */
export function attachSipProxy(httpServer, path) {
  const wss = new WebSocketServer({ noServer: true, handleProtocols: () => 'sip' });
  const byUser = new Map();
  const byContact = new Map();
  const byBranch = new Map();
  let isCut = false;
  let count = 0;

  httpServer.on('upgrade', (request, socket, head) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    if (pathname !== path || isCut) return socket.destroy();
    wss.handleUpgrade(request, socket, head, (ws) => {
      ws.on('message', (data) => receive(ws, data.toString('utf8')));
    });
  });

  function receive(from, text) {
    if (isCut) return;
    if (text === '\r\n\r\n') return from.send('\r\n');
    if (text.trim() === '') return;
    const message = parse(text);
    if (/^SIP\/2\.0 /.test(message.start)) return respond(message);
    if (message.start.startsWith('REGISTER ')) return register(from, message);
    forward(from, message);
  }

  function register(ws, message) {
    const user = userOf(header(message, 'To'));
    const contact = header(message, 'Contact');
    const uri = /<([^>]*)>/.exec(contact)?.[1] ?? '';
    byContact.set(keyOf(uri), ws);
    if (/expires=0/.test(contact)) byUser.delete(user);
    else byUser.set(user, { uri, ws });
    answer(ws, message, '200 OK', [`Contact: ${contact}`]);
  }

  function forward(from, message) {
    let [method, uri] = message.start.split(' ');
    let to = byContact.get(keyOf(uri));
    if (to === undefined) {
      const binding = byUser.get(userOf(uri));
      to = binding?.ws;
      uri = binding?.uri;
    }
    if (to === undefined || to.readyState !== to.OPEN) {
      if (method !== 'ACK') answer(from, message, '480 Temporarily Unavailable', []);
      return;
    }
    const own = header(message, 'Contact');
    if (own) byContact.set(keyOf(/<([^>]*)>/.exec(own)?.[1] ?? ''), from);
    // The same branch for a request and its CANCEL, which is matched by it.
    const above = /branch=([^;]+)/.exec(header(message, 'Via'))?.[1] ?? (count += 1);
    const branch = `z9hG4bKdev${above}`;
    byBranch.set(branch, from);
    const lines = message.lines.map((line) =>
      /^max-forwards:/i.test(line) ? 'Max-Forwards: 60' : line,
    );
    lines.unshift(`Via: SIP/2.0/WS dev.invalid;branch=${branch}`);
    to.send(write(`${method} ${uri} SIP/2.0`, lines, message.body));
  }

  function respond(message) {
    const branch = /branch=([^;]+)/.exec(header(message, 'Via'))?.[1];
    const to = byBranch.get(branch);
    const first = message.lines.findIndex((line) => /^(via|v)\s*:/i.test(line));
    const lines = message.lines.filter((_, index) => index !== first);
    to?.send(write(message.start, lines, message.body));
  }

  function answer(ws, message, status, extra) {
    const kept = message.lines.filter((line) => /^(via|from|call-id|cseq)\s*:/i.test(line));
    const to = header(message, 'To');
    const tag = /;tag=/.test(to) ? '' : ';tag=dev';
    ws.send(write(`SIP/2.0 ${status}`, [...kept, `To: ${to}${tag}`, ...extra], ''));
  }

  return {
    /** Drops every connection and takes no new ones until called with false. */
    cut(value) {
      isCut = value;
      if (value) for (const ws of wss.clients) ws.terminate();
    },
  };
}

function parse(text) {
  const end = text.indexOf('\r\n\r\n');
  const [start, ...lines] = text.slice(0, end).split('\r\n');
  return { start, lines, body: text.slice(end + 4) };
}

function write(start, lines, body) {
  const kept = lines.filter((line) => !/^content-length\s*:/i.test(line));
  const length = `Content-Length: ${Buffer.byteLength(body)}`;
  return `${[start, ...kept, length].join('\r\n')}\r\n\r\n${body}`;
}

function header(message, name) {
  const line = message.lines.find((one) => one.toLowerCase().startsWith(`${name.toLowerCase()}:`));
  return line?.slice(name.length + 1).trim() ?? '';
}

const userOf = (text) => /sips?:([^@;>]+)@/.exec(text)?.[1] ?? '';
const keyOf = (uri) => /^sips?:([^;>]+)/.exec(uri)?.[1] ?? uri;
