/** Starts the engine for end-to-end tests, on free ports, with a data folder of its own. */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const UP = /UDP 127\.0\.0\.1:(\d+)[\s\S]*HTTP +http:\/\/127\.0\.0\.1:(\d+)/;

/**
 * Resolves when it is up. `keys` are keys of the configuration beside those that a test always
 * sets. `TALKPATH` names another program than the debug build.
 */
export async function startEngine(keys = {}) {
  const data = mkdtempSync(join(tmpdir(), 'talkpath-engine-'));
  const settings = {
    'sip.listen': '["udp:127.0.0.1:0"]',
    'http.listen': '127.0.0.1:0',
    'media.bind': '127.0.0.1',
    'media.webrtc_port': 0,
    'stun.listen': '127.0.0.1:0',
    data_dir: data,
    recordings_dir: join(data, 'recordings'),
    ...keys,
  };
  let run = await launch(settings);
  const { sipPort, httpPort } = run;
  let past = '';
  const close = () => {
    run.end('SIGKILL');
    rmSync(data, { recursive: true, force: true });
  };
  /** Ends it by a signal, and starts it on the same ports with the same data. */
  const restart = async (signal, awayMs = 0) => {
    await run.end(signal);
    past += run.log();
    await new Promise((resolve) => setTimeout(resolve, awayMs));
    run = await launch({
      ...settings,
      'sip.listen': `["udp:127.0.0.1:${sipPort}"]`,
      'http.listen': `127.0.0.1:${httpPort}`,
    });
  };
  const log = () => past + run.log();
  return { sipPort, httpPort, url: `http://127.0.0.1:${httpPort}`, restart, close, log };
}

async function launch(settings) {
  const program = process.env.TALKPATH ?? join(ROOT, 'target/debug/talkpath');
  if (!existsSync(program)) throw new Error(`no engine at ${program}; cargo build`);
  const set = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  const engine = spawn(program, ['serve', ...set], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let log = '';
  let isWanted = true;
  engine.stderr.on('data', (text) => (log += text));
  const exited = new Promise((resolve) => engine.on('exit', resolve));
  const up = new Promise((resolve, reject) => {
    engine.stdout.on('data', (text) => {
      said += text;
      const ports = UP.exec(said);
      if (ports) resolve(ports.slice(1).map(Number));
    });
    exited.then((code) => isWanted && reject(new Error(`the engine ended with ${code}\n${log}`)));
  });
  const [sipPort, httpPort] = await up;
  const end = (signal) => {
    isWanted = false;
    engine.kill(signal);
    return exited;
  };
  return { sipPort, httpPort, end, log: () => log };
}

/**
 * A door to the engine's HTTP that can be shut: what is said stays unsaid until it opens, and
 * nobody gets in; `slam` throws everybody out, too. Media pass beside it.
 */
export async function openDoor(port) {
  const pairs = new Set();
  let isShut = false;
  const server = createServer((client) => {
    if (isShut) return client.destroy();
    const engine = connect(port, '127.0.0.1');
    const pair = [client, engine];
    pairs.add(pair);
    client.pipe(engine).pipe(client);
    for (const socket of pair) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        for (const other of pair) other.destroy();
        pairs.delete(pair);
      });
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const shut = (value) => {
    isShut = value;
    for (const socket of [...pairs].flat()) {
      if (value) socket.pause();
      else socket.resume();
    }
  };
  const slam = () => {
    isShut = true;
    for (const socket of [...pairs].flat()) socket.destroy();
  };
  const close = () => {
    server.close();
    slam();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, shut, slam, close };
}

/** Resolves when `check` gives true; throws with what it gave last when it does not in time. */
export async function until(check, what, timeoutMs = 40_000) {
  let seen;
  for (const end = Date.now() + timeoutMs; Date.now() < end; ) {
    seen = await check();
    if (seen === true) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`never: ${what}; last: ${JSON.stringify(seen)}`);
}

/** True when both lists are the same, else what was found. */
export const same = (found, wanted) => String(found) === String(wanted) || found;
