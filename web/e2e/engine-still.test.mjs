/**
 * A page that stands still for longer than any of its timers, as when a machine is short of memory.
 * `cargo build`, `npm run build`, then `npm run test:engine`.
 */

import { test } from 'node:test';
import { same } from './engine.mjs';
import { direct, idsOf, leave, pause, phase, setStage } from './stage.mjs';
import { joinRoom, readRoster, waitForRoster } from './windows.mjs';

const ROOM = '2002';
const STILL_MS = 40_000;
/** Who joins meanwhile comes towards the end, and is there before it. */
const JOINS_AFTER_MS = 20_000;

const stage = setStage();

/** Lets the page wait for an answer and do nothing else; its media go on. */
async function standStill({ page }, ms) {
  await page.route('**/stand-still', async (route) => {
    await pause(ms);
    await route.fulfill({ body: '' });
  });
  await page.evaluate(() => {
    const request = new XMLHttpRequest();
    request.open('GET', '/stand-still', false);
    request.send();
  });
}

test('a page that stands still for 40 s while somebody joins', { timeout: 180_000 }, async () => {
  const [anna, bob] = await Promise.all([stage.open(), stage.open()]);
  for (const [window, name] of [
    [anna, 'Anna'],
    [bob, 'Bob'],
  ]) {
    await joinRoom(window, stage.url(ROOM), name, { camera: false });
  }
  for (const window of [anna, bob]) await waitForRoster(window, direct(1));
  const before = idsOf(await readRoster(bob));

  let isStill = true;
  const standing = standStill(anna, STILL_MS).then(() => {
    isStill = false;
  });
  await pause(JOINS_AFTER_MS);
  const erik = await stage.open();
  await joinRoom(erik, stage.url(ROOM), 'Erik', { camera: false });
  if (!isStill) throw new Error('Erik joined too late');
  await standing;
  await phase(anna, 'connected');
  for (const window of [anna, bob]) await waitForRoster(window, direct(2), 60_000);
  await leave(erik);
  await waitForRoster(anna, (all) => same(idsOf(all), before) === true);
});
