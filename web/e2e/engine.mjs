/** Starts the engine for end-to-end tests, on free ports, with a data folder of its own. */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
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
  const program = process.env.TALKPATH ?? join(ROOT, 'target/debug/talkpath');
  if (!existsSync(program)) throw new Error(`no engine at ${program}; cargo build`);
  const data = mkdtempSync(join(tmpdir(), 'talkpath-engine-'));
  const settings = [
    'sip.listen=["udp:127.0.0.1:0"]',
    'http.listen=127.0.0.1:0',
    'media.bind=127.0.0.1',
    'media.webrtc_port=0',
    'stun.listen=127.0.0.1:0',
    `data_dir=${data}`,
    `recordings_dir=${join(data, 'recordings')}`,
    ...Object.entries(keys).map(([key, value]) => `${key}=${value}`),
  ];
  const engine = spawn(program, ['serve', ...settings.flatMap((key) => ['--set', key])], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let log = '';
  engine.stderr.on('data', (text) => (log += text));
  const up = new Promise((resolve, reject) => {
    engine.stdout.on('data', (text) => {
      said += text;
      const ports = UP.exec(said);
      if (ports) resolve(ports.slice(1).map(Number));
    });
    engine.on('exit', (code) => reject(new Error(`the engine ended with ${code}\n${log}`)));
  });
  const [sipPort, httpPort] = await up;
  const close = () => {
    engine.removeAllListeners('exit');
    engine.kill('SIGKILL');
    rmSync(data, { recursive: true, force: true });
  };
  return { sipPort, url: `http://127.0.0.1:${httpPort}`, close, log: () => log };
}

/** Resolves when `check` gives true; throws with what it gave last when it does not in time. */
export async function until(check, what, timeoutMs = 25_000) {
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
