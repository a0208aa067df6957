/** Two browsers without a way to each other: their sound goes through the engine while it has to. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasLink, setStage } from './stage.mjs';
import { joinRoom, waitForRoster } from './windows.mjs';

const [ANNA_HZ, BOB_HZ] = [600, 900];
const ROOM = '1301';
/** How long a page waits before it tries the direct way again; nobody else waits for it. */
const PAUSE_MS = 30_000;

const stage = setStage({ tones: [ANNA_HZ, BOB_HZ] });

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
const openBlind = async (toneHz, reports) => {
  const window = await stage.open({ toneHz });
  await window.context.clock.install();
  await window.context.addInitScript(blind);
  window.page.on('websocket', (socket) =>
    socket.on('framesent', ({ payload }) => {
      const type = /"type":"(ICE_\w+)"/.exec(payload)?.[1];
      if (type) reports.push(type);
    }),
  );
  return window;
};

test('a pair without a direct way is relayed, and direct again when there is one', async () => {
  const reports = [];
  const [anna, bob] = await Promise.all(
    [ANNA_HZ, BOB_HZ].map((toneHz) => openBlind(toneHz, reports)),
  );
  await joinRoom(anna, stage.url(ROOM), 'Anna', { camera: false });
  await joinRoom(bob, stage.url(ROOM), 'Bob', { camera: false });
  for (const window of [anna, bob]) await waitForRoster(window, hasLink('relayed'), 90_000);
  assert.deepEqual(reports, ['ICE_FAILED', 'ICE_FAILED'], 'each failure is told once');
  await stage.hears(anna, [BOB_HZ], 'Anna', 'engine');
  await stage.hears(bob, [ANNA_HZ], 'Bob', 'engine');
  await stage.hears(anna, [], 'Anna', 'peers');
  for (const { page } of [anna, bob]) {
    await page.evaluate(() => {
      window.isBlind = false;
    });
    await page.clock.fastForward(PAUSE_MS);
  }
  for (const window of [anna, bob]) await waitForRoster(window, hasLink('direct'), 90_000);
  await stage.hears(anna, [BOB_HZ], 'Anna', 'peers');
  await stage.hears(bob, [ANNA_HZ], 'Bob', 'peers');
  await stage.hears(anna, [], 'Anna', 'engine');
  await stage.hears(bob, [], 'Bob', 'engine');
  // An attempt after the pause may have failed before the obstacle was gone.
  const others = reports.filter((type) => type !== 'ICE_FAILED');
  assert.deepEqual(others, ['ICE_CONNECTED']);
});
