/**
 * What a call survives: an engine that cannot be reached for a while, a page that stands still, an
 * engine that is ended and started again. `cargo build`, `npm run build`, then `npm run test:engine`.
 */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openDoor, same, startEngine, until } from './engine.mjs';
import {
  cutNetwork,
  heardTones,
  joinRoom,
  openWindow,
  readRoster,
  waitForRoster,
} from './windows.mjs';

const [ANNA_HZ, BOB_HZ] = [600, 900];
const TONES = [ANNA_HZ, BOB_HZ];
const ROOM = '2001';
/** How soon everybody is back after the engine has started again. */
const BACK_MS = 10_000;

let engine;
let door;
const windows = [];

before(async () => {
  engine = await startEngine({ 'shutdown.drain_s': 2 });
  door = await openDoor(engine.httpPort);
});

after(async () => {
  for (const window of windows) await window.close();
  door.close();
  engine.close();
  if (process.env.ENGINE_LOG) console.log(engine.log());
});

const open = async (toneHz) => {
  const window = await openWindow({ toneHz });
  windows.push(window);
  return window;
};
const idsOf = (all) => all.map(({ id }) => id).sort();
const direct = (count) => (all) =>
  all.length === count + 1 && all.filter(({ link }) => link === 'direct').length === count;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const texts = ({ page }) => page.locator('.line-text').allTextContents();
const write = async ({ page }, text) => {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.keyboard.press('Enter');
};
const hears = (window, tones, who) =>
  until(async () => same(await heardTones(window, TONES), tones), `${who} hears just ${tones}`);
const phase = ({ page }, name, timeout = 30_000) =>
  page.locator(`[data-phase="${name}"]`).waitFor({ timeout });
const pageIds = (window) =>
  window.page.evaluate(() => document.querySelector('[data-tile="self"]').dataset.id);

test('a call survives', { timeout: 300_000 }, async (t) => {
  const [anna, bob] = await Promise.all([open(ANNA_HZ), open(BOB_HZ)]);
  await joinRoom(anna, `${door.url}/join/${ROOM}`, 'Anna');
  await joinRoom(bob, `${engine.url}/join/${ROOM}`, 'Bob');
  for (const window of [anna, bob]) {
    await waitForRoster(window, direct(1));
    await window.page.keyboard.press('Alt+c');
  }
  const before = idsOf(await readRoster(bob));

  await t.test('20 s without the engine, while others join, write and leave', async () => {
    const [carl, dora] = await Promise.all([open(0), open(0)]);
    door.shut(true);
    const isOver = pause(20_000);
    for (const [window, name] of [
      [carl, 'Carl'],
      [dora, 'Dora'],
    ]) {
      await joinRoom(window, `${engine.url}/join/${ROOM}`, name, { camera: false });
      await window.page.keyboard.press('Alt+c');
    }
    await write(carl, 'one');
    await write(dora, 'two');
    await write(anna, 'from afar');
    await until(async () => same(await texts(bob), ['one', 'two']), 'Bob reads both');
    await carl.page.getByRole('button', { name: 'Leave the conference' }).click();
    await dora.page.getByRole('button', { name: 'Leave the conference' }).click();
    await isOver;
    assert.deepEqual(idsOf(await readRoster(bob)), before, 'Anna is not gone');
    await hears(bob, [ANNA_HZ], 'Bob');
    door.shut(false);
    await phase(anna, 'connected');
    const everything = ['one', 'two', 'from afar'];
    const sorted = async (window) => (await texts(window)).sort();
    for (const window of [anna, bob]) {
      await until(async () => same(await sorted(window), [...everything].sort()), 'all is read');
    }
    await waitForRoster(anna, (all) => same(idsOf(all), before) === true);
    await write(bob, 'welcome');
    await until(async () => (await texts(anna)).at(-1) === 'welcome', 'the call is not deaf');
    await pause(3_000);
    assert.deepEqual((await sorted(anna)).length, 4, 'nothing comes twice');
    assert.deepEqual(await texts(bob), ['one', 'two', 'from afar', 'welcome']);
    await hears(anna, [BOB_HZ], 'Anna');
    for (const window of [carl, dora]) await window.close();
  });

  await t.test('20 s without any network, while another joins, writes and leaves', async () => {
    const carl = await open(0);
    const told = [await texts(anna), await texts(bob)].map((lines) => [...lines, 'three']);
    const cut = cutNetwork(anna, 20_000);
    await joinRoom(carl, `${engine.url}/join/${ROOM}`, 'Carl', { camera: false });
    await carl.page.keyboard.press('Alt+c');
    await write(carl, 'three');
    await write(anna, 'into the dark');
    await until(async () => (await texts(bob)).includes('three'), 'Bob reads Carl');
    await carl.page.getByRole('button', { name: 'Leave the conference' }).click();
    await cut;
    await waitForRoster(anna, (all) => same(idsOf(all), before) === true);
    await until(async () => (await texts(bob)).includes('into the dark'), 'Bob reads Anna');
    await write(bob, 'you are back');
    await until(async () => (await texts(anna)).at(-1) === 'you are back', 'Anna reads Bob');
    for (const [index, window] of [anna, bob].entries()) {
      const wanted = [...told[index], 'into the dark', 'you are back'].sort();
      assert.deepEqual((await texts(window)).sort(), wanted, 'nothing is lost or comes twice');
    }
    await phase(anna, 'connected');
    await hears(anna, [BOB_HZ], 'Anna');
    await hears(bob, [ANNA_HZ], 'Bob');
    for (const window of [anna, bob]) await waitForRoster(window, direct(1), 40_000);
    await carl.close();
  });

  await t.test('a page that stands still for 40 s while somebody joins', async () => {
    const standing = anna.page.evaluate(() => {
      for (const end = Date.now() + 40_000; Date.now() < end; );
    });
    const erik = await open(0);
    await joinRoom(erik, `${engine.url}/join/${ROOM}`, 'Erik', { camera: false });
    await standing;
    await phase(anna, 'connected');
    for (const window of [anna, bob]) await waitForRoster(window, direct(2), 40_000);
    await erik.page.getByRole('button', { name: 'Leave the conference' }).click();
    await waitForRoster(anna, (all) => same(idsOf(all), before) === true);
    await erik.close();
  });

  for (const [signal, words] of [
    ['SIGTERM', /server restarts/],
    ['SIGKILL', /Trying to get you back|server restarts/],
  ]) {
    await t.test(`an engine that gets ${signal} and starts again`, async () => {
      const self = await pageIds(anna);
      const back = engine.restart(signal, 1_500);
      await bob.page.getByText(words).waitFor({ timeout: 10_000 });
      await back;
      const started = Date.now();
      for (const window of [anna, bob]) {
        await phase(window, 'connected', BACK_MS - (Date.now() - started));
        const left = BACK_MS - (Date.now() - started);
        await waitForRoster(window, (all) => same(idsOf(all), before) === true, left);
      }
      for (const window of [anna, bob]) await waitForRoster(window, direct(1), 30_000);
      assert.equal(await pageIds(anna), self, 'Anna is who she was');
      await hears(anna, [BOB_HZ], 'Anna');
      await hears(bob, [ANNA_HZ], 'Bob');
      await write(anna, `after ${signal}`);
      await until(async () => (await texts(bob)).at(-1) === `after ${signal}`, 'Bob reads it');
    });
  }

  await t.test('a join while the engine drains waits for the next one', async () => {
    const back = engine.restart('SIGTERM', 1_000);
    const fred = await open(0);
    await fred.page.goto(`${engine.url}/join/${ROOM}`).catch(() => undefined);
    await back;
    await joinRoom(fred, `${engine.url}/join/${ROOM}`, 'Fred', { camera: false });
    for (const window of [anna, bob]) await waitForRoster(window, direct(2), 30_000);
  });
});
