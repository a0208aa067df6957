/**
 * What a call survives: an engine that cannot be reached for a while, one that is ended and started
 * again. `cargo build`, `npm run build`, then `npm run test:engine`.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { same, until } from './engine.mjs';
import { direct, idsOf, leave, pause, phase, setStage, texts, write } from './stage.mjs';
import { cutNetwork, joinRoom, readRoster, waitForRoster } from './windows.mjs';

const [ANNA_HZ, BOB_HZ] = [600, 900];
const ROOM = '2001';
/** How soon everybody is back after the engine has started again. */
const BACK_MS = 10_000;

const stage = setStage({ tones: [ANNA_HZ, BOB_HZ], keys: { 'shutdown.drain_s': 2 } });
const alone = (count) => (all) => all.length === count + 1 && direct(count)(all);
const pageIds = (window) =>
  window.page.evaluate(() => document.querySelector('[data-tile="self"]').dataset.id);

test('a call survives', { timeout: 300_000 }, async (t) => {
  const [anna, bob] = await Promise.all(
    [ANNA_HZ, BOB_HZ].map((toneHz) => stage.open({ toneHz })),
  );
  await joinRoom(anna, stage.url(ROOM, stage.door), 'Anna');
  await joinRoom(bob, stage.url(ROOM), 'Bob');
  for (const window of [anna, bob]) {
    await waitForRoster(window, alone(1));
    await window.page.keyboard.press('Alt+c');
  }
  const before = idsOf(await readRoster(bob));

  await t.test('20 s without the engine, while others join, write and leave', async () => {
    const [carl, dora] = await Promise.all([stage.open(), stage.open()]);
    stage.door.shut(true);
    const isOver = pause(20_000);
    for (const [window, name] of [
      [carl, 'Carl'],
      [dora, 'Dora'],
    ]) {
      await joinRoom(window, stage.url(ROOM), name, { camera: false });
      await window.page.keyboard.press('Alt+c');
    }
    await write(carl, 'one');
    await write(dora, 'two');
    await write(anna, 'from afar');
    await until(async () => same(await texts(bob), ['one', 'two']), 'Bob reads both');
    for (const window of [carl, dora]) {
      await leave(window);
      await window.close();
    }
    await isOver;
    assert.deepEqual(idsOf(await readRoster(bob)), before, 'Anna is not gone');
    await stage.hears(bob, [ANNA_HZ], 'Bob');
    stage.door.shut(false);
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
    await stage.hears(anna, [BOB_HZ], 'Anna');
  });

  await t.test('20 s without any network, while another joins, writes and leaves', async () => {
    const carl = await stage.open();
    const told = [await texts(anna), await texts(bob)].map((lines) => [...lines, 'three']);
    const cut = cutNetwork(anna, 20_000);
    await joinRoom(carl, stage.url(ROOM), 'Carl', { camera: false });
    await carl.page.keyboard.press('Alt+c');
    await write(carl, 'three');
    await write(anna, 'into the dark');
    await until(async () => (await texts(bob)).includes('three'), 'Bob reads Carl');
    await leave(carl);
    await carl.close();
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
    await stage.hears(anna, [BOB_HZ], 'Anna');
    await stage.hears(bob, [ANNA_HZ], 'Bob');
    // After two failures while the network was away the page pauses for 30 s and more.
    for (const window of [anna, bob]) await waitForRoster(window, alone(1), 90_000);
  });

  for (const [signal, words] of [
    ['SIGTERM', /server restarts/],
    ['SIGKILL', /Trying to get you back|server restarts/],
  ]) {
    await t.test(`an engine that gets ${signal} and starts again`, async () => {
      const self = await pageIds(anna);
      const back = stage.engine.restart(signal, 1_500);
      await bob.page.getByText(words).waitFor({ timeout: 10_000 });
      await back;
      const started = Date.now();
      for (const window of [anna, bob]) {
        await phase(window, 'connected', BACK_MS - (Date.now() - started));
        const left = BACK_MS - (Date.now() - started);
        await waitForRoster(window, (all) => same(idsOf(all), before) === true, left);
      }
      for (const window of [anna, bob]) await waitForRoster(window, alone(1), 30_000);
      assert.equal(await pageIds(anna), self, 'Anna is who she was');
      await stage.hears(anna, [BOB_HZ], 'Anna');
      await stage.hears(bob, [ANNA_HZ], 'Bob');
      await write(anna, `after ${signal}`);
      await until(async () => (await texts(bob)).at(-1) === `after ${signal}`, 'Bob reads it');
    });
  }

  await t.test('a join while the engine drains waits for the next one', async () => {
    const back = stage.engine.restart('SIGTERM', 1_000);
    const fred = await stage.open();
    await fred.page.goto(stage.url(ROOM)).catch(() => undefined);
    await back;
    await joinRoom(fred, stage.url(ROOM), 'Fred', { camera: false });
    for (const window of [anna, bob]) await waitForRoster(window, alone(2), 30_000);
  });
});
