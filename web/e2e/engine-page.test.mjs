/**
 * What a person does with a browser in the middle of a call: Back, Forward, another tab, a page that
 * the browser keeps, an hour in the call. `cargo build`, `npm run build`, then `npm run test:engine`.
 */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openDoor, same, startEngine, until } from './engine.mjs';
import {
  joinRoom,
  liveTracks,
  openTab,
  openWindow,
  readRoster,
  waitForRoster,
} from './windows.mjs';

/** How soon others see that somebody has gone who says goodbye. */
const AT_ONCE_MS = 3_000;
/** The shortest life of a token that the engine takes. */
const TOKEN_S = 60;

let engine;
let bob;
const windows = [];

before(async () => {
  engine = await startEngine({ 'api.token_s': TOKEN_S });
});

after(async () => {
  for (const window of windows) await window.close();
  engine.close();
  if (process.env.ENGINE_LOG) console.log(engine.log());
});

const open = async () => {
  const window = await openWindow();
  windows.push(window);
  return window;
};
const alone = (all) => all.length === 1;
const two = (all) => all.filter(({ link }) => link === 'direct').length === 1 && all.length === 2;
const ids = async (window) => (await readRoster(window)).map(({ id }) => id).sort();
const isOff = (window) =>
  until(async () => same(await liveTracks(window), []), 'microphone and camera are off', 3_000);

/** Anna and Bob in a room of their own. */
async function meet(room) {
  bob ??= await open();
  const anna = await open();
  const url = `${engine.url}/join/${room}`;
  await joinRoom(bob, url, 'Bob', { camera: false });
  await anna.page.goto(engine.url);
  await joinRoom(anna, url, 'Anna');
  for (const window of [anna, bob]) await waitForRoster(window, two);
  return anna;
}

test('Back leaves at once, and Forward comes in as one person', { timeout: 90_000 }, async () => {
  const anna = await meet('1001');
  await anna.page.goBack();
  await waitForRoster(bob, alone, AT_ONCE_MS);
  await anna.page.goForward();
  await anna.page.locator('[data-phase="connected"]').waitFor();
  for (const window of [anna, bob]) await waitForRoster(window, two);
});

test('Back within the page turns microphone and camera off', { timeout: 90_000 }, async (t) => {
  const anna = await open();
  const enter = async () => {
    await anna.page.goto(engine.url);
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
    await anna.page.locator('[data-phase="connected"]').waitFor();
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
    await anna.page.locator('[data-phase="connected"]').waitFor();
    await anna.page.getByRole('button', { name: 'Leave the conference' }).click();
    await isOff(anna);
  });
});

test('a page that the browser keeps has left, and starts afresh', { timeout: 90_000 }, async () => {
  const anna = await meet('1003');
  const tell = (name) =>
    anna.page.evaluate((type) => {
      window.dispatchEvent(new PageTransitionEvent(type, { persisted: true }));
    }, name);
  await tell('pagehide');
  await isOff(anna);
  await waitForRoster(bob, alone, AT_ONCE_MS);
  await tell('pageshow');
  await anna.page.getByRole('button', { name: 'Join', exact: true, disabled: false }).click();
  await anna.page.locator('[data-phase="connected"]').waitFor();
  for (const window of [anna, bob]) await waitForRoster(window, two);
});

test('a second tab takes over, the first says so and can come back', { timeout: 120_000 }, async () => {
  const first = await meet('1004');
  const before = await ids(bob);
  const second = await openTab(first);
  await joinRoom(second, `${engine.url}/join/1004`, 'Anna');
  await first.page.getByText('You joined in another tab').waitFor();
  await isOff(first);
  for (const window of [second, bob]) await waitForRoster(window, two, 40_000);
  assert.deepEqual(await ids(bob), before, 'the same person');
  // No fight: the first one stays out, and the second one in.
  await first.page.waitForTimeout(5_000);
  assert.equal(await first.page.locator('[data-ended="replaced"]').count(), 1);
  assert.equal(await second.page.locator('[data-phase="connected"]').count(), 1);

  await first.page.getByRole('button', { name: 'Come back to this tab' }).click();
  await first.page.locator('[data-phase="connected"]').waitFor();
  await second.page.getByText('You joined in another tab').waitFor();
  await isOff(second);
  for (const window of [first, bob]) await waitForRoster(window, two, 40_000);
  assert.deepEqual(await ids(bob), before, 'still the same person');
});

test('who has been in for longer than a token lives stays who it was', { timeout: 150_000 }, async () => {
  const door = await openDoor(engine.httpPort);
  try {
    const anna = await open();
    await joinRoom(anna, `${door.url}/join/1005`, 'Anna');
    const [before] = await ids(anna);
    await anna.page.waitForTimeout((TOKEN_S + 5) * 1_000);
    door.shut(true);
    await anna.page.locator('[data-phase="reconnecting"]').waitFor({ timeout: 30_000 });
    door.shut(false);
    await anna.page.locator('[data-phase="connected"]').waitFor({ timeout: 20_000 });
    const [after, ...others] = await ids(anna);
    assert.deepEqual([after, others], [before, []]);
    await anna.page.reload();
    await anna.page.locator('[data-phase="connected"]').waitFor({ timeout: 20_000 });
    assert.deepEqual(await ids(anna), [before]);
  } finally {
    door.close();
  }
});
