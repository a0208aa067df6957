/**
 * Browsers and a telephone against the real engine: `cargo build`, `npm run build`, then
 * `npm run test:engine`.
 */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { same, startEngine, until } from './engine.mjs';
import { callAsPhone } from './phone.mjs';
import {
  cutNetwork,
  heardTones,
  joinRoom,
  killTab,
  openWindow,
  readRoster,
  waitForRoster,
} from './windows.mjs';

const [PHONE_HZ, ANNA_HZ, BOB_HZ] = [440, 600, 900];
const TONES = [PHONE_HZ, ANNA_HZ, BOB_HZ];
const ROOM = '482913507';
/** How soon the others are told of a browser that has vanished. */
const VANISHED_MS = 15_000;
/** And of one that says goodbye. */
const AT_ONCE_MS = 3_000;

let engine;
const windows = [];

before(async () => {
  engine = await startEngine();
});

after(async () => {
  for (const window of windows) await window.close();
  engine.close();
  if (process.env.ENGINE_LOG) console.log(engine.log());
});

const open = async (toneHz) => {
  const window = await openWindow({ toneHz });
  windows.push(window);
  return window;
};
const hears = (window, tones, who) =>
  until(async () => same(await heardTones(window, TONES), tones), `${who} hears just ${tones}`);
const phoneHears = (phone, tones) =>
  until(() => same(phone.heardTones(TONES), tones), `the phone hears just ${tones}`);
const direct = (all) => all.filter(({ link }) => link === 'direct').length === 1;
const idsOf = (all) => all.map(({ id }) => id).sort();

test('two browsers and a telephone meet in one room', { timeout: 240_000 }, async (t) => {
  const [anna, bob] = await Promise.all([open(ANNA_HZ), open(BOB_HZ)]);
  await joinRoom(anna, `${engine.url}/join/${ROOM}`, 'Anna');
  await joinRoom(bob, `${engine.url}/join/${ROOM}`, 'Bob');
  for (const window of [anna, bob]) {
    await waitForRoster(window, direct);
    await waitForRoster(window, (all) => all.filter((it) => it.hasVideo).length === 2);
  }
  await hears(anna, [BOB_HZ], 'Anna');
  await hears(bob, [ANNA_HZ], 'Bob');

  const phone = await callAsPhone({
    port: engine.sipPort,
    number: '31201234567',
    toneHz: PHONE_HZ,
  });
  const everybodyHears = async () => {
    await hears(anna, [PHONE_HZ, BOB_HZ], 'Anna');
    await hears(bob, [PHONE_HZ, ANNA_HZ], 'Bob');
    await phoneHears(phone, [ANNA_HZ, BOB_HZ]);
  };
  phone.press(`${ROOM}#`);
  await t.test('everybody hears everybody else, and nobody hears itself', async () => {
    await everybodyHears();
    assert.equal((await readRoster(anna)).filter(({ kind }) => kind === 'phone').length, 1);
  });

  await t.test('a message goes to everybody, or to one', async () => {
    const texts = ({ page }) => page.locator('.line-text').allTextContents();
    for (const { page } of [anna, bob]) await page.keyboard.press('Alt+c');
    const write = anna.page.getByLabel('Message', { exact: true });
    await write.fill('<b>hello</b> all');
    await write.press('Enter');
    await anna.page.getByRole('combobox').selectOption({ label: 'Bob' });
    await write.fill('hello Bob');
    await write.press('Enter');
    const wanted = ['<b>hello</b> all', 'hello Bob'];
    await until(async () => same(await texts(bob), wanted), 'both messages');
    assert.deepEqual(await texts(anna), wanted, 'one sees what one said');
    for (const { page } of [anna, bob]) await page.keyboard.press('Escape');
  });

  await t.test('after ten seconds without a network the call goes on', async () => {
    const before = idsOf(await readRoster(bob));
    let isCut = true;
    const cut = cutNetwork(anna, 10_000).then(() => {
      isCut = false;
    });
    await hears(bob, [PHONE_HZ], 'Bob');
    while (isCut) {
      assert.deepEqual(idsOf(await readRoster(bob)), before, 'nobody is gone');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await cut;
    for (const window of [anna, bob]) await waitForRoster(window, direct, 40_000);
    await anna.page.locator('[data-phase="connected"]').waitFor({ timeout: 30_000 });
    await everybodyHears();
    assert.deepEqual(idsOf(await readRoster(bob)), before, 'everybody is who they were');
    assert.doesNotMatch(engine.log(), /WebRTC leg lost/);
  });

  await t.test('a reload comes back as the same person, in place of the old one', async () => {
    const before = idsOf(await readRoster(bob));
    await anna.page.reload();
    await anna.page.locator('[data-phase="connected"]').waitFor({ timeout: 20_000 });
    for (const window of [anna, bob]) await waitForRoster(window, direct, 40_000);
    await everybodyHears();
    assert.deepEqual(idsOf(await readRoster(bob)), before);
  });

  await t.test('who is without a network for long is gone, and comes back as itself', async () => {
    const before = idsOf(await readRoster(anna));
    const cut = cutNetwork(bob, VANISHED_MS + 3000);
    await waitForRoster(anna, (all) => all.length === before.length - 1, VANISHED_MS);
    await cut;
    await waitForRoster(anna, (all) => same(idsOf(all), before) === true, 40_000);
    for (const window of [anna, bob]) await waitForRoster(window, direct, 40_000);
    await everybodyHears();
  });

  await t.test('the telephone has a tile, and loses it', async () => {
    const tiles = () => anna.page.locator('[data-tile="phone"]').count();
    assert.equal(await tiles(), 1);
    phone.hangUp();
    await until(async () => (await tiles()) === 0, 'no tile for the telephone');
    await hears(anna, [BOB_HZ], 'Anna');
  });

  await t.test('a closed tab is gone for the others at once', async () => {
    const carl = await open(0);
    await joinRoom(carl, `${engine.url}/join/${ROOM}`, 'Carl');
    await waitForRoster(anna, (all) => all.length === 3);
    await carl.page.close();
    await waitForRoster(anna, (all) => all.length === 2, AT_ONCE_MS);
  });

  await t.test('a killed tab is gone for the others', async () => {
    await killTab(bob);
    await waitForRoster(anna, (all) => all.length === 1, VANISHED_MS);
  });
});
