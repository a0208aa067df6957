/** Starts coturn for end-to-end tests, on free ports of 127.0.0.1, with a folder of its own. */

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PROGRAM = '/usr/bin/turnserver';
/** Below what systems give to clients, so that nobody else is there. */
const RELAY_PORTS = [20_000, 20_199];

/**
 * Resolves when it listens. `url` is its TURN URL, `count` tells how often its log has something,
 * `close` ends it.
 */
export async function startCoturn(secret) {
  if (!existsSync(PROGRAM)) throw new Error(`no ${PROGRAM}; tools/install.sh --for-tests`);
  const folder = mkdtempSync(join(tmpdir(), 'talkpath-coturn-'));
  const port = await freePort();
  const options = [
    '-n',
    '--realm=turn.example.org',
    '--use-auth-secret',
    `--static-auth-secret=${secret}`,
    '--listening-ip=127.0.0.1',
    `--listening-port=${port}`,
    '--relay-ip=127.0.0.1',
    '--allow-loopback-peers',
    `--min-port=${RELAY_PORTS[0]}`,
    `--max-port=${RELAY_PORTS[1]}`,
    '--no-tls',
    '--no-dtls',
    '--no-cli',
    '--verbose',
    '--log-file=stdout',
    `--userdb=${join(folder, 'turndb')}`,
    `--pidfile=${join(folder, 'pid')}`,
  ];
  const server = spawn(PROGRAM, options, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  const up = new Promise((resolve, reject) => {
    for (const stream of [server.stdout, server.stderr]) {
      stream.on('data', (text) => {
        log += text;
        if (/UDP listener opened on/.test(log)) resolve();
      });
    }
    server.on('exit', (code) => reject(new Error(`coturn ended with ${code}\n${log}`)));
  });
  await up;
  const close = () => {
    server.removeAllListeners('exit');
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  const count = (pattern) => log.split('\n').filter((line) => pattern.test(line)).length;
  return { url: `turn:127.0.0.1:${port}?transport=udp`, count, log: () => log, close };
}

async function freePort() {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}
