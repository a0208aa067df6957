/**
 * Browsers and a telephone against the real engine: `cargo build`, `npm run build`, then
 * `npm run test:engine`.
 */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEngine } from './engine.mjs';
import { callAsPhone } from './phone.mjs';
import { heardTones, joinRoom, openWindow, readRoster, waitForRoster } from './windows.mjs';

const [PHONE_HZ, ANNA_HZ, BOB_HZ] = [440, 600, 900];
const TONES = [PHONE_HZ, ANNA_HZ, BOB_HZ];
const ROOM = '482913507';

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
const until = async (check, what, timeoutMs = 25_000) => {
  let seen;
  for (const end = Date.now() + timeoutMs; Date.now() < end; ) {
    seen = await check();
    if (seen === true) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.fail(`never: ${what}; last: ${JSON.stringify(seen)}\n${engine.log()}`);
};
const same = (found, wanted) => String(found) === String(wanted) || found;
const hears = (window, tones, who) =>
  until(async () => same(await heardTones(window, TONES), tones), `${who} hears just ${tones}`);
const phoneHears = (phone, tones) =>
  until(() => same(phone.heardTones(TONES), tones), `the phone hears just ${tones}`);

test('two browsers and a telephone meet in one room', { timeout: 240_000 }, async (t) => {
  const anna = await open(ANNA_HZ);
  const bob = await open(BOB_HZ);
  await joinRoom(anna, `${engine.url}/join/${ROOM}`, 'Anna');
  await joinRoom(bob, `${engine.url}/join/${ROOM}`, 'Bob');
  for (const window of [anna, bob]) {
    await waitForRoster(window, (all) => all.filter((it) => it.link === 'direct').length === 1);
    await waitForRoster(window, (all) => all.filter((it) => it.hasVideo).length === 2);
  }
  await hears(anna, [BOB_HZ], 'Anna');
  await hears(bob, [ANNA_HZ], 'Bob');

  const phone = await callAsPhone({
    port: engine.sipPort,
    number: '31201234567',
    toneHz: PHONE_HZ,
  });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  phone.press(`${ROOM}#`);
  await t.test('everybody hears everybody else, and nobody hears itself', async () => {
    await hears(anna, [PHONE_HZ, BOB_HZ], 'Anna');
    await hears(bob, [PHONE_HZ, ANNA_HZ], 'Bob');
    await phoneHears(phone, [ANNA_HZ, BOB_HZ]);
  });

  await t.test('the telephone has a tile, and loses it', async () => {
    const tiles = () => anna.page.locator('[data-tile="phone"]').count();
    await until(async () => (await tiles()) === 1, 'a tile for the telephone');
    phone.hangUp();
    await until(async () => (await tiles()) === 0, 'no tile for the telephone');
    await hears(anna, [BOB_HZ], 'Anna');
  });

  await t.test('a killed tab is gone for the others', async () => {
    await bob.browser.close();
    await waitForRoster(anna, (all) => all.length === 1, 20_000);
    assert.equal((await readRoster(anna)).length, 1);
  });
});
