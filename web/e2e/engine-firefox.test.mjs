/**
 * Firefox by the conference page, together with Chromium and a telephone, against the real engine.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { same, until } from './engine.mjs';
import { killFirefox, openFirefox } from './firefox.mjs';
import { VANISHED_MS, direct, idsOf, phase, setStage, texts, write } from './stage.mjs';
import { cutNetwork, joinRoom, readRoster, waitForRoster } from './windows.mjs';

const [PHONE_HZ, FOX_HZ, CHROME_HZ] = [440, 600, 900];
const ROOM = '1234';

const stage = setStage({ tones: [PHONE_HZ, FOX_HZ, CHROME_HZ] });

/** Lets `higher` be the one of two guests that has the higher id, and so the one that calls. */
const giveIds = async (room, higher, lower) => {
  const admit = async () => {
    const answer = await fetch(`${stage.engine.url}/api/v1/rooms/${room}/join`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'Somebody' }),
    });
    return answer.json();
  };
  const admissions = [await admit(), await admit()];
  admissions.sort((a, b) => (a.username < b.username ? 1 : -1));
  for (const [index, { page }] of [higher, lower].entries()) {
    await page.route('**/join', (route) => route.fulfill({ json: admissions[index] }), {
      times: 1,
    });
  }
};

/** Lets a test close the page's WebSocket, and see the ICE of its connection with the engine. */
const exposeLine = () => {
  const { WebSocket, RTCPeerConnection } = window;
  window.connections = [];
  window.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      window.line = this;
    }
  };
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...args) {
      super(...args);
      window.connections.push(this);
    }
  };
};
/** Our ICE fragment and the engine's, while they are connected. */
const fragmentsOf = ({ page }) =>
  page.evaluate(() => {
    const isUp = ({ remoteDescription, iceConnectionState, signalingState }) =>
      /^a=ice-lite/m.test(remoteDescription?.sdp ?? '') &&
      iceConnectionState === 'connected' &&
      signalingState === 'stable';
    const connection = window.connections.find(isUp);
    const sides = [connection?.localDescription, connection?.remoteDescription];
    return sides.map((side) => /^a=ice-ufrag:(.*)$/m.exec(side?.sdp ?? '')?.[1] ?? '');
  });

test('Firefox, Chromium and a telephone meet in one room', { timeout: 180_000 }, async (t) => {
  const [fox, chrome] = await Promise.all([
    stage.open({ toneHz: FOX_HZ }, openFirefox),
    stage.open({ toneHz: CHROME_HZ }),
  ]);
  await fox.context.addInitScript(exposeLine);
  const meet = async (room) => {
    await joinRoom(fox, stage.url(room), 'Fox');
    await joinRoom(chrome, stage.url(room), 'Chrome');
    for (const window of [fox, chrome]) {
      await waitForRoster(window, direct(1));
      await waitForRoster(window, (all) => all.filter((it) => it.hasVideo).length === 2);
    }
    await stage.hears(fox, [CHROME_HZ], 'Firefox');
    await stage.hears(chrome, [FOX_HZ], 'Chromium');
  };

  await t.test('Chromium calls Firefox', async () => {
    await giveIds('11223344', chrome, fox);
    await meet('11223344');
  });

  await t.test('Firefox calls Chromium', async () => {
    await giveIds(ROOM, fox, chrome);
    await meet(ROOM);
  });

  const phone = await stage.dialIn(ROOM, PHONE_HZ);
  const everybodyHears = async () => {
    await stage.hears(fox, [PHONE_HZ, CHROME_HZ], 'Firefox');
    await stage.hears(chrome, [PHONE_HZ, FOX_HZ], 'Chromium');
    await stage.phoneHears(phone, [FOX_HZ, CHROME_HZ]);
  };
  await t.test('everybody hears everybody else, and nobody hears itself', async () => {
    await waitForRoster(fox, (all) => all.some(({ kind }) => kind === 'phone'));
    await everybodyHears();
  });

  await t.test('messages go both ways', async () => {
    for (const { page } of [fox, chrome]) await page.keyboard.press('Alt+c');
    for (const [window, text] of [
      [fox, 'from <i>Firefox</i>'],
      [chrome, 'from Chromium'],
    ]) {
      const before = (await texts(fox)).length;
      await write(window, text);
      await until(async () => (await texts(fox)).length > before, text);
    }
    for (const window of [fox, chrome]) {
      const wanted = ['from <i>Firefox</i>', 'from Chromium'];
      await until(async () => same(await texts(window), wanted), 'both messages');
      await window.page.keyboard.press('Escape');
    }
  });

  await t.test('who is muted is silent, and shown so', async () => {
    await fox.page.keyboard.press('Alt+m');
    await stage.hears(chrome, [PHONE_HZ], 'Chromium');
    await stage.phoneHears(phone, [CHROME_HZ]);
    await chrome.page.getByRole('listitem', { name: 'Somebody, microphone off', exact: true }).waitFor();
    await fox.page.keyboard.press('Alt+m');
    await everybodyHears();
  });

  await t.test('a reload comes back as the same person', async () => {
    const before = idsOf(await readRoster(chrome));
    await fox.page.reload();
    await phase(fox, 'connected');
    for (const window of [fox, chrome]) await waitForRoster(window, direct(1), 40_000);
    await everybodyHears();
    assert.deepEqual(idsOf(await readRoster(chrome)), before);
  });

  await t.test('a lost WebSocket is replaced, and ICE restarted', async () => {
    const calls = () => stage.engine.log().split('rule=browsers join').length;
    const [before, callsBefore] = [await fragmentsOf(fox), calls()];
    assert.ok(before.every((fragment) => fragment !== ''));
    assert.ok(callsBefore > 1, 'the log tells of calls');
    await fox.page.evaluate(() => window.line.close());
    await until(async () => {
      const after = await fragmentsOf(fox);
      return after.every((one, side) => one !== '' && one !== before[side]) || after;
    }, `other ICE fragments than ${before}`);
    await phase(fox, 'connected');
    await everybodyHears();
    assert.equal(calls(), callsBefore, 'it is the same call');
  });

  await t.test('after ten seconds without a network the call goes on', async () => {
    const before = idsOf(await readRoster(chrome));
    const cut = cutNetwork(fox, 10_000);
    await stage.hears(chrome, [PHONE_HZ], 'Chromium');
    await cut;
    for (const window of [fox, chrome]) await waitForRoster(window, direct(1), 40_000);
    await phase(fox, 'connected');
    await everybodyHears();
    assert.deepEqual(idsOf(await readRoster(chrome)), before);
    assert.doesNotMatch(stage.engine.log(), /WebRTC leg lost leg_id=\S+ loss=Consent/);
  });

  await t.test('a killed browser is gone for the others', async () => {
    killFirefox(fox);
    const isAlone = (all) => all.filter(({ kind }) => kind === 'person').length === 0;
    await waitForRoster(chrome, isAlone, VANISHED_MS);
    phone.hangUp();
    await chrome.close();
  });
});
