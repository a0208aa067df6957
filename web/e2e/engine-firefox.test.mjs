/**
 * Firefox by the conference page, together with Chromium and a telephone, against the real engine.
 */

import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { after, before, test } from 'node:test';
import { same, startEngine, until } from './engine.mjs';
import { killFirefox, openFirefox } from './firefox.mjs';
import { callAsPhone } from './phone.mjs';
import {
  cutNetwork,
  heardTones,
  joinRoom,
  openWindow,
  readRoster,
  waitForRoster,
} from './windows.mjs';

const [PHONE_HZ, FOX_HZ, CHROME_HZ] = [440, 600, 900];
const TONES = [PHONE_HZ, FOX_HZ, CHROME_HZ];
const ROOM = '1234';
/** How soon the others are told of a browser that has vanished. */
const VANISHED_MS = 15_000;

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

const opened = async (opening) => {
  const window = await opening;
  windows.push(window);
  return window;
};
const hears = (window, tones, who) =>
  until(async () => same(await heardTones(window, TONES), tones), `${who} hears just ${tones}`);
const phoneHears = (phone, tones) =>
  until(() => same(phone.heardTones(TONES), tones), `the phone hears just ${tones}`);
const dialIn = async (room, at = engine) => {
  const phone = await callAsPhone({
    port: at.sipPort,
    number: '31201234567',
    toneHz: PHONE_HZ,
  });
  phone.press(`${room}#`);
  return phone;
};
const isDirect = (all) => all.filter(({ link }) => link === 'direct').length === 1;
const idsOf = (all) => all.map(({ id }) => id).sort();

/** Lets `higher` be the one of two guests that has the higher id, and so the one that calls. */
const giveIds = async (room, higher, lower) => {
  const admit = async () => {
    const answer = await fetch(`${engine.url}/api/v1/rooms/${room}/join`, {
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
    opened(openFirefox({ toneHz: FOX_HZ })),
    opened(openWindow({ toneHz: CHROME_HZ })),
  ]);
  await fox.context.addInitScript(exposeLine);
  const meet = async (room) => {
    await joinRoom(fox, `${engine.url}/join/${room}`, 'Fox');
    await joinRoom(chrome, `${engine.url}/join/${room}`, 'Chrome');
    for (const window of [fox, chrome]) {
      await waitForRoster(window, isDirect);
      await waitForRoster(window, (all) => all.filter((it) => it.hasVideo).length === 2);
    }
    await hears(fox, [CHROME_HZ], 'Firefox');
    await hears(chrome, [FOX_HZ], 'Chromium');
  };

  await t.test('Chromium calls Firefox', async () => {
    await giveIds('11223344', chrome, fox);
    await meet('11223344');
  });

  await t.test('Firefox calls Chromium', async () => {
    await giveIds(ROOM, fox, chrome);
    await meet(ROOM);
  });

  const phone = await dialIn(ROOM);
  const everybodyHears = async () => {
    await hears(fox, [PHONE_HZ, CHROME_HZ], 'Firefox');
    await hears(chrome, [PHONE_HZ, FOX_HZ], 'Chromium');
    await phoneHears(phone, [FOX_HZ, CHROME_HZ]);
  };
  await t.test('everybody hears everybody else, and nobody hears itself', async () => {
    await waitForRoster(fox, (all) => all.some(({ kind }) => kind === 'phone'));
    await everybodyHears();
  });

  await t.test('messages go both ways', async () => {
    const texts = ({ page }) => page.locator('.line-text').allTextContents();
    for (const { page } of [fox, chrome]) await page.keyboard.press('Alt+c');
    for (const [{ page }, text] of [
      [fox, 'from <i>Firefox</i>'],
      [chrome, 'from Chromium'],
    ]) {
      const before = (await texts(fox)).length;
      await page.getByLabel('Message', { exact: true }).fill(text);
      await page.keyboard.press('Enter');
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
    await hears(chrome, [PHONE_HZ], 'Chromium');
    await phoneHears(phone, [CHROME_HZ]);
    await chrome.page.getByRole('listitem', { name: 'Somebody, microphone off', exact: true }).waitFor();
    await fox.page.keyboard.press('Alt+m');
    await everybodyHears();
  });

  await t.test('a reload comes back as the same person', async () => {
    const before = idsOf(await readRoster(chrome));
    await fox.page.reload();
    await fox.page.locator('[data-phase="connected"]').waitFor({ timeout: 20_000 });
    for (const window of [fox, chrome]) await waitForRoster(window, isDirect, 40_000);
    await everybodyHears();
    assert.deepEqual(idsOf(await readRoster(chrome)), before);
  });

  await t.test('a lost WebSocket is replaced, and ICE restarted', async () => {
    const calls = () => engine.log().split('rule=browsers join').length;
    const [before, callsBefore] = [await fragmentsOf(fox), calls()];
    assert.ok(before.every((fragment) => fragment !== ''));
    assert.ok(callsBefore > 1, 'the log tells of calls');
    await fox.page.evaluate(() => window.line.close());
    await until(async () => {
      const after = await fragmentsOf(fox);
      return after.every((one, side) => one !== '' && one !== before[side]) || after;
    }, `other ICE fragments than ${before}`);
    await fox.page.locator('[data-phase="connected"]').waitFor();
    await everybodyHears();
    assert.equal(calls(), callsBefore, 'it is the same call');
  });

  await t.test('after ten seconds without a network the call goes on', async () => {
    const before = idsOf(await readRoster(chrome));
    const cut = cutNetwork(fox, 10_000);
    await hears(chrome, [PHONE_HZ], 'Chromium');
    await cut;
    for (const window of [fox, chrome]) await waitForRoster(window, isDirect, 40_000);
    await fox.page.locator('[data-phase="connected"]').waitFor({ timeout: 30_000 });
    await everybodyHears();
    assert.deepEqual(idsOf(await readRoster(chrome)), before);
    assert.doesNotMatch(engine.log(), /WebRTC leg lost leg_id=\S+ loss=Consent/);
  });

  await t.test('a killed browser is gone for the others', async () => {
    killFirefox(fox);
    const isAlone = (all) => all.filter(({ kind }) => kind === 'person').length === 0;
    await waitForRoster(chrome, isAlone, VANISHED_MS);
    phone.hangUp();
    await chrome.close();
  });
});

const isOnline = Object.values(networkInterfaces())
  .flat()
  .some(({ family, internal }) => family === 'IPv4' && !internal);

test('Firefox on the machine of the engine', { skip: !isOnline, timeout: 90_000 }, async (t) => {
  // As they come: an engine on all addresses, and a browser that sends nothing to 127.0.0.1.
  const own = await startEngine({ 'media.bind': '0.0.0.0' });
  t.after(() => own.close());
  const prefs = { 'media.peerconnection.ice.loopback': false };
  const [fox, listener] = await Promise.all([
    opened(openFirefox({ toneHz: FOX_HZ, prefs })),
    opened(openFirefox({ isAllowed: false, prefs })),
  ]);
  const room = `${own.url}/join/${ROOM}`;
  await joinRoom(fox, room, 'Fox', { camera: false });

  await t.test('who refuses the microphone is told so, and may listen', async () => {
    await listener.page.goto(room);
    const alert = listener.page.getByRole('alert');
    await alert.filter({ hasText: 'The microphone is blocked' }).waitFor();
    await listener.page.getByLabel('Your name').fill('Listener');
    await listener.page.getByRole('button', { name: 'Join and listen' }).click();
    for (const window of [fox, listener]) await waitForRoster(window, isDirect);
  });

  const phone = await dialIn(ROOM, own);
  await hears(fox, [PHONE_HZ], 'Firefox');
  await hears(listener, [PHONE_HZ, FOX_HZ], 'the listener');
  await phoneHears(phone, [FOX_HZ]);
  phone.hangUp();
});
