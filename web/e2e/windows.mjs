/**
 * Browser windows for end-to-end tests: Chromium with fake devices, each window with a tone of its
 * own as microphone, and ears that tell which tones arrive.
 *
 *   const window = await openWindow({ toneHz: 600 });
 *   await joinRoom(window, 'http://localhost:8080/join/1234', 'Anna');
 *   await heardTones(window, [440, 600, 900])   // [440, 900]
 */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const RATE_HZ = 48_000;
/** A tone counts as heard this many decibels above what lies between the tones. */
const ABOVE_FLOOR_DB = 18;
const AUDIBLE_DB = -70;
/** Without a GPU, a process that imitates one costs more than it draws. */
const CHEAP = ['--disable-gpu', '--in-process-gpu'];

/**
 * Debian's Chromium without what draws its own windows, which costs half; `whole`: the one that
 * people have. `CHROMIUM` names another one for both.
 */
export function chromiumPath(whole = false) {
  const name = whole ? 'chromium' : 'chromium-headless-shell';
  const path = process.env.CHROMIUM ?? `/usr/bin/${name}`;
  if (!existsSync(path)) throw new Error(`no Chromium at ${path}; tools/install.sh --for-tests`);
  return path;
}

/**
 * Opens a browser of its own with one page. `toneHz` is what its microphone hears; 0 for silence.
 * `hasDevices` false: a machine without microphone and camera; `isAllowed` false: the user refuses
 * them; `whole`: the browser with its own windows, history and settings. Playwright's own page is
 * `window.page`; `window.close()` ends the browser.
 */
export async function openWindow(options = {}) {
  const { toneHz = 0, hasDevices = true, isAllowed = true, whole = false, args = [] } = options;
  const folder = mkdtempSync(join(tmpdir(), 'talkpath-e2e-'));
  const wav = join(folder, 'microphone.wav');
  writeFileSync(wav, toneWav(toneHz, 2));
  const browser = await chromium.launch({
    executablePath: chromiumPath(whole),
    args: [
      ...CHEAP,
      // Five pictures a second, the fewest that it makes.
      ...(hasDevices ? ['--use-fake-device-for-media-stream=fps=5'] : []),
      isAllowed ? '--use-fake-ui-for-media-stream' : '--deny-permission-prompts',
      `--use-file-for-fake-audio-capture=${wav}`,
      '--autoplay-policy=no-user-gesture-required',
      '--auto-select-desktop-capture-source=Entire screen',
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      ...args,
    ],
  });
  const close = async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  };
  const networkPids = () => networkPidsOf(wav);
  return { ...(await openPage(browser, options)), browser, networkPids, close };
}

/**
 * Another person in the browser of `window`, with the same microphone and nothing else in common:
 * cheaper where tones and processes do not matter. `close` leaves the browser open.
 */
export async function openBeside(window, options = {}) {
  const opened = await openPage(window.browser, options);
  return { ...window, ...opened, close: () => opened.context.close() };
}

/** A person in a browser: a context of its own with one page. */
export async function openPage(browser, { viewport, colorScheme }) {
  const context = await browser.newContext({
    viewport: viewport ?? { width: 1024, height: 600 },
    colorScheme: colorScheme ?? 'light',
    // A level meter that glides is drawn sixty times a second.
    reducedMotion: 'reduce',
  });
  await context.addInitScript(installEars);
  await context.addInitScript(watchDevices);
  const page = await context.newPage();
  return { page, context, faults: watchFaults(page) };
}

/** What goes wrong in the page from now on, as it comes. */
function watchFaults(page) {
  const faults = [];
  page.on('pageerror', (fault) => faults.push(String(fault)));
  page.on('console', (line) => line.type() === 'error' && faults.push(line.text()));
  return faults;
}

/** Joins by the conference page, as a person does. Resolves in the conference. */
export async function joinRoom({ page }, url, name, { camera = true } = {}) {
  await page.goto(url);
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Join', exact: true, disabled: false }).waitFor();
  const toggle = page.getByRole('button', { name: /camera/i });
  const isOn = (await toggle.getAttribute('aria-pressed')) === 'true';
  if (isOn !== camera) await toggle.click();
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await page.locator('[data-phase="connected"]').waitFor({ timeout: 20_000 });
}

/** Another tab of the same browser. */
export async function openTab(window) {
  const page = await window.context.newPage();
  return { ...window, page, faults: watchFaults(page) };
}

/** Tracks of microphones, cameras and screens that are on in the page. */
export const liveTracks = ({ page }) => page.evaluate(() => globalThis.talkpathDevices());

/** Runs in the page before its own code: counts what it opens. */
function watchDevices() {
  const opened = [];
  const media = globalThis.navigator.mediaDevices;
  if (media === undefined) return;
  for (const name of ['getUserMedia', 'getDisplayMedia']) {
    const original = media[name].bind(media);
    media[name] = async (constraints) => {
      const stream = await original(constraints);
      opened.push(...stream.getTracks());
      return stream;
    };
  }
  globalThis.talkpathDevices = () =>
    opened.filter(({ readyState }) => readyState === 'live').map(({ kind }) => kind);
}

/** Who is shown, a tile each: `{kind, id, name, link, hasVideo}`. */
export async function readRoster({ page }) {
  return page.evaluate(() => {
    const tiles = [...document.querySelectorAll('[data-tile]')];
    return tiles.map((tile) => ({
      kind: tile.dataset.tile,
      id: tile.dataset.id,
      name: tile.dataset.name,
      link: tile.dataset.link ?? '',
      hasVideo: [...tile.querySelectorAll('video')].some(({ videoWidth }) => videoWidth > 0),
    }));
  });
}

/** Resolves when `check` of the roster is true; throws with the roster when it is not in time. */
export async function waitForRoster(window, check, timeoutMs = 20_000) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const roster = await readRoster(window);
    if (check(roster)) return roster;
    if (Date.now() > end) throw new Error(`the roster stayed ${JSON.stringify(roster)}`);
    await window.page.waitForTimeout(100);
  }
}

/**
 * Which of `candidatesHz` are heard now (171 ms of sound), over all connections of the page;
 * with `from` only over those to the `engine`, or only over those to `peers`.
 */
export async function heardTones(window, candidatesHz, from = 'all') {
  const levels = await toneLevels(window, candidatesHz, from);
  return candidatesHz.filter((hz) => levels[hz].isHeard);
}

/**
 * Level of each tone in dB, loudest connection, and whether it stands out of what lies beside it.
 */
export async function toneLevels({ page }, candidatesHz, from = 'all') {
  const all = await page.evaluate(() => globalThis.talkpathEars.listen());
  const spectra = all.filter(({ isEngine }) => from === 'all' || isEngine === (from === 'engine'));
  const result = {};
  for (const hz of candidatesHz) {
    let best = { db: Number.NEGATIVE_INFINITY, isHeard: false };
    for (const { binHz, bins } of spectra) {
      const at = (f) => Math.max(...around(bins, f / binHz, 1));
      const db = at(hz);
      const floor = (at(hz * 0.93) + at(hz * 1.07)) / 2;
      const isHeard = db > AUDIBLE_DB && db > floor + ABOVE_FLOOR_DB;
      if (db > best.db) best = { db, isHeard: best.isHeard || isHeard };
    }
    result[hz] = best;
  }
  return result;
}

/**
 * Takes the network away from a window for `ms`: its WebSockets and its media stand still, as when a
 * cable is pulled. The processes that have its sockets are stopped.
 */
export async function cutNetwork({ networkPids }, ms) {
  const pids = networkPids();
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  try {
    await new Promise((resolve) => setTimeout(resolve, ms));
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  }
}

/** Kills the tab's process, as the system does when memory runs out: nothing is said to anybody. */
export async function killTab({ page, context }) {
  const crashed = page.waitForEvent('crash');
  const devtools = await context.newCDPSession(page);
  // It has no answer: who would give it is gone.
  devtools.send('Page.crash').catch(() => undefined);
  await crashed;
}

/** Chromium has one process for all its sockets. `wav` is in the arguments of the browser. */
function networkPidsOf(wav) {
  const processes = listProcesses();
  // The browser, and the script that started it.
  const browsers = processes.filter(({ args }) => args.includes(wav) && !args.includes('--type='));
  const network = processes.find(
    ({ parent, args }) =>
      browsers.some(({ pid }) => pid === parent) && args.includes('network.mojom.NetworkService'),
  );
  if (!network) throw new Error('the browser has no network process of its own');
  return [network.pid];
}

/** What runs on this machine: `{pid, parent, args}`, with arguments as the system has them. */
export function listProcesses() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), ...readProcess(name) }));
}

function readProcess(name) {
  try {
    const args = readFileSync(`/proc/${name}/cmdline`, 'utf8');
    const status = readFileSync(`/proc/${name}/status`, 'utf8');
    return { args, parent: Number(/^PPid:\s*(\d+)/m.exec(status)?.[1]) };
  } catch {
    // It ended between the listing and the reading.
    return { args: '', parent: 0 };
  }
}

/** A WAV of a sine; silence for 0 Hz. */
export function toneWav(hz, seconds) {
  const samples = Math.round(RATE_HZ * seconds);
  const wav = Buffer.alloc(44 + samples * 2);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + samples * 2, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(RATE_HZ, 24);
  wav.writeUInt32LE(RATE_HZ * 2, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(samples * 2, 40);
  for (let i = 0; i < samples; i += 1) {
    wav.writeInt16LE(Math.round(8000 * Math.sin((2 * Math.PI * hz * i) / RATE_HZ)), 44 + i * 2);
  }
  return wav;
}

function around(bins, centre, width) {
  const from = Math.max(0, Math.round(centre) - width);
  return bins.slice(from, Math.round(centre) + width + 1);
}

/**
 * Runs in the page before its own code: listens to every audio track that any connection receives.
 * In Firefox it records and looks at the recording, because Firefox runs WebAudio only where there
 * is a loudspeaker.
 */
export function installEars() {
  const FFT_SIZE = 8192;
  const RATE_HZ = 48_000;
  /** Longer than what is looked at, because both take a moment to start. */
  const [RECORD_MS, ANALYSE_MS] = [400, 300];
  const Original = globalThis.RTCPeerConnection;
  const ears = new Map();
  globalThis.RTCPeerConnection = class extends Original {
    constructor(...args) {
      super(...args);
      this.addEventListener('track', ({ track }) => {
        if (track.kind === 'audio') ears.set(track, this);
      });
    }
  };
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const read = (analyser) => {
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    return [...bins];
  };
  const record = async (track) => {
    const recorder = new MediaRecorder(new MediaStream([track]), { audioBitsPerSecond: 128_000 });
    const stopped = new Promise((resolve) => recorder.addEventListener('stop', resolve));
    const parts = [];
    recorder.addEventListener('dataavailable', ({ data }) => parts.push(data));
    recorder.start();
    await pause(RECORD_MS);
    if (recorder.state !== 'inactive') recorder.stop();
    await stopped;
    return new Blob(parts).arrayBuffer();
  };
  /** Decibels per bin at the end of a recording; nothing for one without sound. */
  const spectrumOfRecording = async (track) => {
    const recording = await record(track);
    const context = new OfflineAudioContext(1, FFT_SIZE, RATE_HZ);
    let buffer;
    try {
      buffer = await context.decodeAudioData(recording);
    } catch {
      return [];
    }
    const analyser = new AnalyserNode(context, { fftSize: FFT_SIZE, smoothingTimeConstant: 0 });
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(analyser).connect(context.destination);
    source.start(0, Math.max(0, buffer.duration - FFT_SIZE / RATE_HZ));
    await context.startRendering();
    return read(analyser);
  };
  let listening;
  const spectrumOfNow = async (track) => {
    listening ??= new AudioContext({ sampleRate: RATE_HZ });
    await listening.resume();
    const analyser = new AnalyserNode(listening, { fftSize: FFT_SIZE, smoothingTimeConstant: 0 });
    const source = listening.createMediaStreamSource(new MediaStream([track]));
    source.connect(analyser);
    const from = listening.currentTime;
    // By its own clock: on a busy machine it has heard less than has passed.
    while (listening.currentTime - from < ANALYSE_MS / 1000) await pause(ANALYSE_MS / 4);
    const bins = read(analyser);
    source.disconnect();
    return bins;
  };
  const spectrumOf = navigator.userAgent.includes('Firefox') ? spectrumOfRecording : spectrumOfNow;
  globalThis.talkpathEars = {
    async listen() {
      for (const [track, { connectionState }] of ears) {
        if (connectionState === 'closed') ears.delete(track);
      }
      const heard = [...ears].map(async ([track, connection]) => {
        const isEngine = /^a=ice-lite/m.test(connection.remoteDescription?.sdp ?? '');
        return { isEngine, binHz: RATE_HZ / FFT_SIZE, bins: await spectrumOf(track) };
      });
      const spectra = await Promise.all(heard);
      await listening?.suspend();
      return spectra;
    },
  };
}
