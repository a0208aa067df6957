/**
 * Three browsers and a telephone against the real engine: what each hears and sees, what each reads,
 * a server and a network that are away, a reload, and the ways to leave. `cargo build`, `npm run
 * build`, then `npm run test:engine`.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { same, until } from './engine.mjs';
import {
  AT_ONCE_MS,
  VANISHED_MS,
  direct,
  idsOf,
  leave,
  pause,
  phase,
  setStage,
  texts,
} from './stage.mjs';
import { cutNetwork, joinRoom, killTab, readRoster, waitForRoster } from './windows.mjs';

const [PHONE_HZ, ANNA_HZ, BOB_HZ, CARLA_HZ] = [440, 600, 900, 1300];
const ROOM = '482913507';

const stage = setStage({ tones: [PHONE_HZ, ANNA_HZ, BOB_HZ, CARLA_HZ] });
const hasVideo = (count) => (all) => all.filter((it) => it.hasVideo).length === count;
const ids = async (window) => idsOf(await readRoster(window));

test('three browsers and a telephone meet in one room', { timeout: 300_000 }, async (t) => {
  const [anna, bob, carla] = await Promise.all(
    [ANNA_HZ, BOB_HZ, CARLA_HZ].map((toneHz) => stage.open({ toneHz })),
  );
  const everybody = [anna, bob, carla];
  const room = stage.url(ROOM, stage.door);
  for (const [window, name] of [
    [anna, 'Anna'],
    [bob, 'Bob <i>B</i>'],
    [carla, 'Carla'],
  ]) {
    await joinRoom(window, room, name);
  }
  const allDirect = () =>
    Promise.all(everybody.map((window) => waitForRoster(window, direct(2), 60_000)));
  await allDirect();
  for (const window of everybody) await waitForRoster(window, hasVideo(3));
  await Promise.all([
    stage.hears(anna, [BOB_HZ, CARLA_HZ], 'Anna'),
    stage.hears(bob, [ANNA_HZ, CARLA_HZ], 'Bob'),
    stage.hears(carla, [ANNA_HZ, BOB_HZ], 'Carla'),
  ]);

  const phone = await stage.dialIn(ROOM, PHONE_HZ);
  const everybodyHears = () =>
    Promise.all([
      stage.hears(anna, [PHONE_HZ, BOB_HZ, CARLA_HZ], 'Anna'),
      stage.hears(bob, [PHONE_HZ, ANNA_HZ, CARLA_HZ], 'Bob'),
      stage.hears(carla, [PHONE_HZ, ANNA_HZ, BOB_HZ], 'Carla'),
      stage.phoneHears(phone, [ANNA_HZ, BOB_HZ, CARLA_HZ]),
    ]);
  await t.test('everybody hears everybody else, and nobody hears itself', async () => {
    await everybodyHears();
    assert.equal((await readRoster(anna)).filter(({ kind }) => kind === 'phone').length, 1);
    assert.equal(await anna.page.locator('[data-tile] i').count(), 0, 'names are text');
  });

  await t.test('who is muted is silent, and shown so', async () => {
    await bob.page.keyboard.press('Alt+m');
    await stage.hears(anna, [PHONE_HZ, CARLA_HZ], 'Anna');
    await anna.page.getByRole('listitem', { name: /Bob.*microphone off/ }).waitFor();
    await bob.page.keyboard.press('Alt+m');
    await everybodyHears();
  });

  await t.test('a message goes to everybody, or to one', async () => {
    for (const { page } of everybody) await page.keyboard.press('Alt+c');
    const line = anna.page.getByLabel('Message', { exact: true });
    await line.fill('<b>hello</b> all');
    await line.press('Enter');
    await anna.page.getByRole('combobox').selectOption({ label: 'Carla' });
    await line.fill('hello Carla');
    await line.press('Enter');
    const wanted = ['<b>hello</b> all', 'hello Carla'];
    await until(async () => same(await texts(carla), wanted), 'both messages');
    assert.deepEqual(await texts(anna), wanted, 'one sees what one said');
    assert.deepEqual(await texts(bob), ['<b>hello</b> all']);
    for (const { page } of everybody) await page.keyboard.press('Escape');
  });

  await t.test('after ten seconds without the server the calls go on', async () => {
    const before = await ids(anna);
    stage.door.slam();
    const isOver = pause(10_000);
    await phase(anna, 'reconnecting');
    await everybodyHears();
    await isOver;
    stage.door.shut(false);
    for (const window of everybody) await phase(window, 'connected');
    await everybodyHears();
    assert.deepEqual(await ids(anna), before, 'everybody is who they were');
  });

  await t.test('one without a network for ten seconds stays, one for long is gone', async () => {
    const before = await ids(bob);
    const isLong = cutNetwork(carla, VANISHED_MS + 3_000);
    const isGone = waitForRoster(bob, (all) => all.length === before.length - 1, VANISHED_MS);
    let isCut = true;
    const isShort = cutNetwork(anna, 10_000).then(() => {
      isCut = false;
    });
    await stage.hears(bob, [PHONE_HZ], 'Bob');
    while (isCut) {
      assert.deepEqual(await ids(bob), before, 'nobody is gone');
      await pause(200);
    }
    await isShort;
    await isGone;
    await isLong;
    await allDirect();
    for (const window of everybody) await phase(window, 'connected');
    await everybodyHears();
    for (const window of everybody) {
      await waitForRoster(window, (all) => same(idsOf(all), before) === true);
    }
    assert.doesNotMatch(stage.engine.log(), /WebRTC leg lost/, 'both went on with their calls');
  });

  await t.test('a reload comes back as the same person, in place of the old one', async () => {
    const before = await ids(bob);
    await anna.page.reload();
    await phase(anna, 'connected');
    await allDirect();
    await everybodyHears();
    assert.deepEqual(await ids(bob), before);
  });

  await t.test('the telephone has a tile, and loses it', async () => {
    const tiles = () => anna.page.locator('[data-tile="phone"]').count();
    assert.equal(await tiles(), 1);
    phone.hangUp();
    await until(async () => (await tiles()) === 0, 'no tile for the telephone');
    await stage.hears(anna, [BOB_HZ, CARLA_HZ], 'Anna');
  });

  await t.test('who leaves is gone for the others', async () => {
    await leave(carla);
    for (const window of [anna, bob]) await waitForRoster(window, direct(1));
    await stage.hears(anna, [BOB_HZ], 'Anna');
  });

  await t.test('a closed tab is gone for the others at once', async () => {
    await joinRoom(carla, room, 'Carla');
    await waitForRoster(anna, direct(2));
    await carla.page.close();
    await waitForRoster(anna, (all) => all.length === 2, AT_ONCE_MS);
  });

  await t.test('a killed tab is gone for the others', async () => {
    await killTab(bob);
    await waitForRoster(anna, (all) => all.length === 1, VANISHED_MS);
    await leave(anna);
  });
});
