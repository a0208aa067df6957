/**
 * What a person does with a browser in the middle of a call: Back, Forward, another tab, a page that
 * the browser keeps. `cargo build`, `npm run build`, then `npm run test:engine`.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { same, until } from './engine.mjs';
import { AT_ONCE_MS, direct, idsOf, leave, pause, phase, setStage } from './stage.mjs';
import {
  joinRoom,
  liveTracks,
  openBeside,
  openTab,
  readRoster,
  waitForRoster,
} from './windows.mjs';

const stage = setStage();
let bob;

const alone = (all) => all.length === 1;
const two = (all) => direct(1)(all) && all.length === 2;
const ids = async (window) => idsOf(await readRoster(window));
const isOff = (window) =>
  until(async () => same(await liveTracks(window), []), 'both devices are off', AT_ONCE_MS);

/** Anna beside Bob: in one browser, because nobody listens. */
async function openAnna(t) {
  bob ??= await stage.open({ whole: true });
  const anna = await openBeside(bob);
  t.after(() => anna.close());
  return anna;
}

/** Anna and Bob in a room of their own. */
async function meet(t, room) {
  const anna = await openAnna(t);
  const url = stage.url(room);
  await joinRoom(bob, url, 'Bob', { camera: false });
  await anna.page.goto(stage.engine.url);
  await joinRoom(anna, url, 'Anna');
  for (const window of [anna, bob]) await waitForRoster(window, two);
  return anna;
}

test('Back leaves at once, and Forward comes in as one person', { timeout: 120_000 }, async (t) => {
  const anna = await meet(t, '1001');
  await anna.page.goBack();
  await waitForRoster(bob, alone, AT_ONCE_MS);
  await anna.page.goForward();
  await phase(anna, 'connected');
  for (const window of [anna, bob]) await waitForRoster(window, two);
});

test('Back within the page turns microphone and camera off', { timeout: 120_000 }, async (t) => {
  const anna = await openAnna(t);
  const enter = async () => {
    await anna.page.goto(stage.engine.url);
    await anna.page.getByRole('button', { name: 'Start a conference' }).click();
    await anna.page.getByRole('button', { name: 'Join', exact: true, disabled: false }).waitFor();
    await anna.page.getByLabel('Your name').fill('Anna');
  };
  const join = () => anna.page.getByRole('button', { name: 'Join', exact: true }).click();
  await t.test('out of the lobby', async () => {
    await enter();
    assert.equal((await liveTracks(anna)).length, 2);
    await anna.page.goBack();
    await isOff(anna);
  });
  await t.test('out of an attempt to join', async () => {
    await enter();
    await anna.page.route('**/join', () => undefined);
    await join();
    await anna.page.goBack();
    await isOff(anna);
    await anna.page.unroute('**/join');
  });
  await t.test('out of a call', async () => {
    await enter();
    await join();
    await phase(anna, 'connected');
    await anna.page.goBack();
    await anna.page.getByRole('button', { name: 'Start a conference' }).waitFor();
    await isOff(anna);
    await anna.page.goForward();
    await anna.page.getByRole('button', { name: 'Join', exact: true, disabled: false }).waitFor();
  });
  await t.test('and leaving, and a refusal, do so too', async () => {
    await enter();
    await anna.page.route('**/join', (route) => route.fulfill({ status: 409, json: {} }));
    await join();
    await anna.page.getByText('The conference is full').waitFor();
    await anna.page.unroute('**/join');
    // The lobby shows a preview again.
    await until(async () => (await liveTracks(anna)).length === 2, 'one preview');
    await join();
    await phase(anna, 'connected');
    await leave(anna);
    await isOff(anna);
  });
});

test('a page that the browser keeps has left, and starts afresh', { timeout: 120_000 }, async (t) => {
  const anna = await meet(t, '1003');
  const tell = (name) =>
    anna.page.evaluate((type) => {
      window.dispatchEvent(new PageTransitionEvent(type, { persisted: true }));
    }, name);
  await tell('pagehide');
  await isOff(anna);
  await waitForRoster(bob, alone, AT_ONCE_MS);
  await tell('pageshow');
  await anna.page.getByRole('button', { name: 'Join', exact: true, disabled: false }).click();
  await phase(anna, 'connected');
  for (const window of [anna, bob]) await waitForRoster(window, two);
});

test('a second tab takes over, the first says so and can come back', { timeout: 120_000 }, async (t) => {
  const first = await meet(t, '1004');
  const before = await ids(bob);
  const second = await openTab(first);
  await joinRoom(second, stage.url('1004'), 'Anna');
  await first.page.getByText('You joined in another tab').waitFor();
  await isOff(first);
  for (const window of [second, bob]) await waitForRoster(window, two, 40_000);
  assert.deepEqual(await ids(bob), before, 'the same person');
  // No fight: the first one stays out, and the second one in.
  await pause(5_000);
  assert.equal(await first.page.locator('[data-ended="replaced"]').count(), 1);
  assert.equal(await second.page.locator('[data-phase="connected"]').count(), 1);

  await first.page.getByRole('button', { name: 'Come back to this tab' }).click();
  await phase(first, 'connected');
  await second.page.getByText('You joined in another tab').waitFor();
  await isOff(second);
  for (const window of [first, bob]) await waitForRoster(window, two, 40_000);
  assert.deepEqual(await ids(bob), before, 'still the same person');
});
