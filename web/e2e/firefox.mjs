/**
 * Firefox windows for end-to-end tests, with the surface of `openWindow`: Debian's Firefox ESR by
 * WebDriver BiDi, with fake devices of its own, of which the microphone hears a tone.
 *
 *   const window = await openFirefox({ toneHz: 600 });
 *   await joinRoom(window, 'http://localhost:8080/join/1234', 'Anna');
 */

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firefox } from 'playwright-core';
import { listProcesses, openPage } from './windows.mjs';

/** In the environment of one browser's processes. */
const MARK = 'TALKPATH_E2E_FIREFOX';
const [ALLOW, REFUSE] = [1, 2];
const [DARK, LIGHT] = [0, 1];

/** Debian's Firefox ESR, or `FIREFOX`. */
export function firefoxPath() {
  const path = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
  if (!existsSync(path)) throw new Error(`no Firefox at ${path}; tools/install.sh --for-tests`);
  return path;
}

/**
 * Opens a browser of its own with one page. `toneHz` is what its microphone hears, at a volume that
 * is Firefox's. `isAllowed` false: the user refuses microphone and camera. `prefs` win over ours.
 */
export async function openFirefox(options = {}) {
  const { toneHz = 440, colorScheme, isAllowed = true, prefs = {} } = options;
  const folder = mkdtempSync(join(tmpdir(), 'talkpath-e2e-'));
  const browser = await firefox.launch({
    channel: 'moz-firefox',
    executablePath: firefoxPath(),
    env: { ...process.env, [MARK]: folder },
    firefoxUserPrefs: {
      'media.navigator.streams.fake': true,
      'media.navigator.audio.fake_frequency': toneHz,
      // With a user's word and not without asking: only then it gathers all addresses, as it does
      // for a user.
      'permissions.default.microphone': isAllowed ? ALLOW : REFUSE,
      'permissions.default.camera': isAllowed ? ALLOW : REFUSE,
      // The engine of a test is on 127.0.0.1 alone.
      'media.peerconnection.ice.loopback': true,
      'layout.css.prefers-color-scheme.content-override': colorScheme === 'dark' ? DARK : LIGHT,
      ...prefs,
    },
  });
  const networkPids = () => Object.values(pidsOf(folder));
  const close = async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { ...(await openPage(browser, options)), browser, folder, networkPids, close };
}

/** Kills the browser, as the system does when memory runs out: nothing is said to anybody. */
export function killFirefox({ folder }) {
  process.kill(pidsOf(folder).main, 'SIGKILL');
}

/** The main process has the WebSockets, the `socket` process has the media. */
function pidsOf(folder) {
  const ours = listProcesses().filter(({ pid }) => isMarked(pid, folder));
  const main = ours.find(({ args }) => args.includes('\0--profile\0'))?.pid;
  const socket = ours.find(({ args }) => args.endsWith(' socket\0'))?.pid;
  if (!main || !socket) throw new Error('Firefox has no process of its own for sockets');
  return { main, socket };
}

function isMarked(pid, folder) {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`${MARK}=${folder}\0`);
  } catch {
    // It ended meanwhile.
    return false;
  }
}
