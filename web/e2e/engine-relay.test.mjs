/** Two browsers without a way to each other: their sound goes through the engine while it has to. */

import { after, before, test } from 'node:test';
import { same, startEngine, until } from './engine.mjs';
import { heardTones, joinRoom, openWindow, waitForRoster } from './windows.mjs';

const [ANNA_HZ, BOB_HZ] = [600, 900];
const TONES = [ANNA_HZ, BOB_HZ];

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

/** Takes the candidates of other browsers away, until the page is told that the obstacle is gone. */
const blind = () => {
  window.isBlind = true;
  const original = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const isEngine = /^a=ice-lite/m.test(description.sdp);
    const sdp =
      window.isBlind && !isEngine
        ? description.sdp.replace(/^a=candidate:.*\r\n/gm, '')
        : description.sdp;
    return original.call(this, { type: description.type, sdp });
  };
};
const openBlind = async (toneHz) => {
  const window = await openWindow({ toneHz });
  windows.push(window);
  await window.context.addInitScript(blind);
  return window;
};
const hears = async (window, wanted, from) =>
  until(
    async () => same(await heardTones(window, TONES, from), wanted),
    `hearing just ${wanted} from ${from}`,
  );

test('a pair without a direct way is relayed, and direct again when there is one', async () => {
  const [anna, bob] = await Promise.all([openBlind(ANNA_HZ), openBlind(BOB_HZ)]);
  const room = `${engine.url}/join/relay1`;
  await joinRoom(anna, room, 'Anna', { camera: false });
  await joinRoom(bob, room, 'Bob', { camera: false });
  const link = (wanted) => (all) => all.some((tile) => tile.link === wanted);
  for (const window of [anna, bob]) await waitForRoster(window, link('relayed'), 90_000);
  await hears(anna, [BOB_HZ], 'engine');
  await hears(bob, [ANNA_HZ], 'engine');
  await hears(anna, [], 'peers');

  for (const { page } of [anna, bob]) {
    await page.evaluate(() => {
      window.isBlind = false;
    });
  }
  for (const window of [anna, bob]) await waitForRoster(window, link('direct'), 60_000);
  await hears(anna, [BOB_HZ], 'peers');
  await hears(bob, [ANNA_HZ], 'peers');
  await hears(anna, [], 'engine');
  await hears(bob, [], 'engine');
});
