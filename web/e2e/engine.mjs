/** Starts the engine for end-to-end tests, on free ports, with a data folder of its own. */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const UP = /UDP 127\.0\.0\.1:(\d+)[\s\S]*HTTP +http:\/\/127\.0\.0\.1:(\d+)/;

/** Resolves when it is up. `TALKPATH` names another program than the debug build. */
export async function startEngine() {
  const program = process.env.TALKPATH ?? join(ROOT, 'target/debug/talkpath');
  if (!existsSync(program)) throw new Error(`no engine at ${program}; cargo build`);
  const data = mkdtempSync(join(tmpdir(), 'talkpath-engine-'));
  const keys = [
    'sip.listen=["udp:127.0.0.1:0"]',
    'http.listen=127.0.0.1:0',
    'media.bind=127.0.0.1',
    'media.webrtc_port=0',
    `data_dir=${data}`,
    `recordings_dir=${join(data, 'recordings')}`,
  ];
  const engine = spawn(program, ['serve', ...keys.flatMap((key) => ['--set', key])], {
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
