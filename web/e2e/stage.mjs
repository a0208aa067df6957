/**
 * What the tests with the engine start from: an engine, windows and telephones that end with the
 * file, and the questions asked of them.
 *
 *   const stage = setStage({ tones: [440, 600, 900] });
 *   test('two meet', async () => {
 *     const anna = await stage.open({ toneHz: 600 });
 *     await joinRoom(anna, stage.url('1234'), 'Anna');
 *     const phone = await stage.dialIn('1234', 440);
 *     await stage.hears(anna, [440], 'Anna');
 *   });
 */

import { after, before } from 'node:test';
import { openDoor, same, startEngine, until } from './engine.mjs';
import { callAsPhone } from './phone.mjs';
import { heardTones, openWindow } from './windows.mjs';

/** How soon the others are told of a browser that has vanished. */
export const VANISHED_MS = 15_000;
/** And of one that says goodbye: well before that, also on a busy machine. */
export const AT_ONCE_MS = 10_000;

/**
 * Starts an engine before the tests of a file, with `keys` of the configuration, and a door to it.
 * `tones` are all that anybody sends: hearing some is hearing no other.
 */
export function setStage({ tones = [], keys = {} } = {}) {
  const stage = new Stage(tones);
  before(async () => {
    stage.engine = await stage.start(keys);
    stage.door = await openDoor(stage.engine.httpPort);
  });
  after(() => stage.close());
  return stage;
}

class Stage {
  engine;
  /** The engine's HTTP as `stage.url(room, stage.door)` has it; see `openDoor`. */
  door;
  #tones;
  #engines = [];
  #windows = [];

  constructor(tones) {
    this.#tones = tones;
  }

  /** Another engine. */
  async start(keys) {
    const engine = await startEngine(keys);
    this.#engines.push(engine);
    return engine;
  }

  /** Opens a window as `openWindow` does, or as `opener` does. */
  async open(options, opener = openWindow) {
    const window = await opener(options);
    this.#windows.push(window);
    return window;
  }

  /** Where a room is. */
  url(room, at = this.engine) {
    return `${at.url}/join/${room}`;
  }

  /** A telephone in a room. */
  async dialIn(room, toneHz, at = this.engine) {
    const phone = await callAsPhone({ port: at.sipPort, number: '31201234567', toneHz });
    // Keys that are pressed before the prompt begins are nobody's, and a busy machine begins late.
    await until(() => phone.hearsSound(), 'the phone hears the prompt');
    phone.press(`${room}#`);
    return phone;
  }

  /** Resolves when a window hears these tones and no others, with `from` as `heardTones` has it. */
  hears(window, wanted, who, from = 'all') {
    return until(
      async () => same(await heardTones(window, this.#tones, from), wanted),
      `${who} hears just ${wanted} from ${from}`,
    );
  }

  phoneHears(phone, wanted) {
    return until(() => same(phone.heardTones(this.#tones), wanted), `the phone hears just ${wanted}`);
  }

  async close() {
    for (const window of this.#windows) await window.close();
    this.door?.close();
    for (const engine of this.#engines) {
      engine.close();
      if (process.env.ENGINE_LOG) console.log(engine.log());
    }
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Of a roster: the ids of people and telephones, sorted. */
export const idsOf = (all) => all.map(({ id }) => id).sort();

/** Of a roster: so many others are connected directly. */
export const direct = (count) => (all) =>
  all.filter(({ link }) => link === 'direct').length === count;

/** Of a roster: somebody is connected in this way. */
export const hasLink = (wanted) => (all) => all.some(({ link }) => link === wanted);

/** Resolves when the page is in a phase of its call. */
export const phase = ({ page }, name, timeout = 30_000) =>
  page.locator(`[data-phase="${name}"]`).waitFor({ timeout });

/** What the chat shows, line for line. */
export const texts = ({ page }) => page.locator('.line-text').allTextContents();

/** Writes into the chat, which must be open. */
export async function write({ page }, text) {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.keyboard.press('Enter');
}

/** Leaves by the button. */
export async function leave({ page }) {
  await page.getByRole('button', { name: 'Leave the conference' }).click();
  await page.locator('[data-ended="left"]').waitFor();
}
