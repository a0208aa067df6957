/**
 * The TURN credentials of the engine against coturn: browsers that have no way but the relay.
 */

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { startCoturn } from './coturn.mjs';
import { openFirefox } from './firefox.mjs';
import { hasLink, setStage } from './stage.mjs';
import { joinRoom, openWindow, readRoster, waitForRoster } from './windows.mjs';

const [PHONE_HZ, ANNA_HZ, BOB_HZ] = [440, 600, 900];
const SECRET = 'what-the-two-servers-share';

let coturn;

before(async () => {
  coturn = await startCoturn(SECRET);
});

const stage = setStage({ tones: [PHONE_HZ, ANNA_HZ, BOB_HZ] });

after(() => {
  coturn.close();
  if (process.env.ENGINE_LOG) console.log(coturn.log());
});

const start = (secret) => stage.start({ 'turn.urls': `["${coturn.url}"]`, 'turn.secret': secret });

/** Lets connections have relayed candidates only; the one with the engine is a page's first. */
const relayOnly = (isEngineExempt) => {
  const Original = window.RTCPeerConnection;
  window.connections = [];
  window.RTCPeerConnection = class extends Original {
    constructor(configuration) {
      const isFirst = window.connections.length === 0;
      const iceTransportPolicy = isFirst && isEngineExempt ? 'all' : 'relay';
      super({ ...configuration, iceTransportPolicy });
      window.connections.push(this);
    }
  };
};
const openBehindWall = async (open, toneHz, isEngineExempt) => {
  const window = await stage.open({ toneHz }, open);
  await window.context.addInitScript(relayOnly, isEngineExempt);
  return window;
};

/** `{isEngine, local, remote}` of the pair that each connection of the page uses. */
const pairsOf = ({ page }) =>
  page.evaluate(async () => {
    const pairs = [];
    for (const connection of window.connections) {
      const stats = await connection.getStats();
      const transport = [...stats.values()].find(({ type }) => type === 'transport');
      // Firefox has the one that is used among the pairs.
      const pair =
        stats.get(transport?.selectedCandidatePairId) ??
        [...stats.values()].find(({ selected }) => selected);
      const isEngine = /^a=ice-lite/m.test(connection.remoteDescription?.sdp ?? '');
      const local = stats.get(pair?.localCandidateId)?.candidateType;
      const remote = stats.get(pair?.remoteCandidateId)?.candidateType;
      pairs.push({ isEngine, local, remote });
    }
    return pairs;
  });
const allocations = (id) =>
  coturn.count(new RegExp(`<\\d+:${id}>.*ALLOCATE processed, success`));

// Most of the time they wait.
suite('coturn', { concurrency: true }, () => {
  test('browsers that have only a relay hear each other and telephones by it', async () => {
    const engine = await start(SECRET);
    const [anna, bob] = await Promise.all([
      openBehindWall(openFirefox, ANNA_HZ, false),
      openBehindWall(openWindow, BOB_HZ, false),
    ]);
    const room = stage.url('1234', engine);
    await joinRoom(anna, room, 'Anna');
    await joinRoom(bob, room, 'Bob');
    const phone = await stage.dialIn('1234', PHONE_HZ, engine);
    for (const [window, other, who] of [
      [anna, BOB_HZ, 'Anna'],
      [bob, ANNA_HZ, 'Bob'],
    ]) {
      await waitForRoster(window, hasLink('direct'));
      await stage.hears(window, [other], who, 'peers');
      await stage.hears(window, [PHONE_HZ], who, 'engine');
      assert.deepEqual(await pairsOf(window), [
        { isEngine: true, local: 'relay', remote: 'host' },
        { isEngine: false, local: 'relay', remote: 'relay' },
      ]);
    }
    await stage.phoneHears(phone, [ANNA_HZ, BOB_HZ]);
    phone.hangUp();
    for (const { id } of (await readRoster(anna)).filter(({ kind }) => kind !== 'phone')) {
      assert.ok(allocations(id) >= 2, coturn.log());
    }
  });

  test('another secret gets no relay, and the sound goes through the engine', async () => {
    const engine = await start('another-secret');
    const [anna, bob] = await Promise.all([
      openBehindWall(openWindow, ANNA_HZ, true),
      openBehindWall(openWindow, BOB_HZ, true),
    ]);
    const room = stage.url('1234', engine);
    await joinRoom(anna, room, 'Anna', { camera: false });
    await joinRoom(bob, room, 'Bob', { camera: false });
    for (const window of [anna, bob]) await waitForRoster(window, hasLink('relayed'), 90_000);
    await stage.hears(anna, [BOB_HZ], 'Anna', 'engine');
    await stage.hears(bob, [ANNA_HZ], 'Bob', 'engine');
    await stage.hears(anna, [], 'Anna', 'peers');
    for (const { id } of await readRoster(anna)) {
      assert.equal(allocations(id), 0);
      assert.ok(coturn.count(new RegExp(`<\\d+:${id}>.*error 401`)) > 0, coturn.log());
    }
  });
});
