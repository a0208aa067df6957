/**
 * The SDK and the page in real browsers, against the development server: `npm run build && npm run
 * build:e2e && npm run test:browser`. What needs the engine is tested beside the engine.
 */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startServer } from '../dev/server.mjs';
import {
  cutNetwork,
  heardTones,
  joinRoom,
  openWindow,
  readRoster,
  waitForRoster,
} from './windows.mjs';

const CONFERENCE_HZ = 440;
const TONES = [CONFERENCE_HZ, 600, 900, 1300];

let server;
let focus;
let room;
const windows = [];

before(async () => {
  server = await startServer(0);
  room = `${server.url}/join/482913507`;
  focus = await openWindow();
  await focus.page.goto(`${server.url}/e2e/focus.html`);
});

after(async () => {
  for (const window of [focus, ...windows]) await window?.close();
  server.close();
});

const open = async (toneHz, script) => {
  const window = await openWindow({ toneHz });
  windows.push(window);
  if (script) await window.context.addInitScript(script);
  return window;
};
const leave = async ({ page }) => {
  await page.getByRole('button', { name: 'Leave the conference' }).click();
  await page.locator('[data-ended="left"]').waitFor();
};
const direct = (count) => (roster) =>
  roster.filter(({ link }) => link === 'direct').length === count;
const until = async (check, what, timeoutMs = 20_000) => {
  for (const end = Date.now() + timeoutMs; Date.now() < end;) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.fail(`never: ${what}`);
};
const hears = (window, tones) =>
  until(
    async () => String(await heardTones(window, TONES)) === String(tones),
    `hearing ${tones} and nothing else`,
  );

test('three windows hear and see each other, survive a cut and a reload, and leave', async (t) => {
  const [anna, bob, carla] = await Promise.all([open(600), open(900), open(1300)]);
  for (const [window, name] of [
    [anna, 'Anna'],
    [bob, 'Bob <i>B</i>'],
    [carla, 'Carla'],
  ]) {
    await joinRoom(window, room, name);
  }
  for (const window of [anna, bob, carla]) {
    await waitForRoster(window, direct(2));
    await waitForRoster(window, (all) => all.filter(({ hasVideo }) => hasVideo).length === 3);
  }
  await hears(anna, [CONFERENCE_HZ, 900, 1300]);
  await hears(bob, [CONFERENCE_HZ, 600, 1300]);
  await hears(carla, [CONFERENCE_HZ, 600, 900]);
  assert.equal(await anna.page.locator('[data-tile] i').count(), 0, 'names are text');

  await t.test('who is muted is silent, and shown so', async () => {
    await bob.page.keyboard.press('Alt+m');
    await hears(anna, [CONFERENCE_HZ, 1300]);
    await anna.page.getByRole('listitem', { name: /Bob.*microphone off/ }).waitFor();
    await bob.page.keyboard.press('Alt+m');
    await hears(anna, [CONFERENCE_HZ, 900, 1300]);
  });

  await t.test('a message goes to everybody, or to one', async () => {
    const texts = ({ page }) => page.locator('.line-text').allTextContents();
    for (const { page } of [anna, bob, carla]) await page.keyboard.press('Alt+c');
    const write = anna.page.getByLabel('Message', { exact: true });
    await write.fill('<b>hello</b> all');
    await write.press('Enter');
    await anna.page.getByRole('combobox').selectOption({ label: 'Carla' });
    await write.fill('hello Carla');
    await write.press('Enter');
    await until(async () => (await texts(carla)).length === 2, 'two messages');
    assert.deepEqual(await texts(carla), ['<b>hello</b> all', 'hello Carla']);
    assert.deepEqual(await texts(bob), ['<b>hello</b> all']);
    for (const { page } of [anna, bob, carla]) await page.keyboard.press('Escape');
  });

  await t.test('after ten seconds without the server the calls go on', async () => {
    const before = await readRoster(anna);
    server.proxy.cut(true);
    await anna.page.locator('[data-phase="reconnecting"]').waitFor();
    await hears(anna, [CONFERENCE_HZ, 900, 1300]);
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    server.proxy.cut(false);
    for (const { page } of [anna, bob, carla]) {
      await page.locator('[data-phase="connected"]').waitFor({ timeout: 30_000 });
    }
    await hears(anna, [CONFERENCE_HZ, 900, 1300]);
    assert.deepEqual(
      (await readRoster(anna)).map(({ id }) => id).sort(),
      before.map(({ id }) => id).sort(),
      'everybody is who they were',
    );
  });

  await t.test('after ten seconds without a network the calls go on', async () => {
    const ids = async () => (await readRoster(bob)).map(({ id }) => id).sort();
    const before = await ids();
    const cut = cutNetwork(anna, 10_000);
    await hears(bob, [CONFERENCE_HZ, 1300]);
    await cut;
    for (const window of [anna, bob, carla]) await waitForRoster(window, direct(2), 40_000);
    await anna.page.locator('[data-phase="connected"]').waitFor({ timeout: 30_000 });
    await hears(anna, [CONFERENCE_HZ, 900, 1300]);
    await hears(bob, [CONFERENCE_HZ, 600, 1300]);
    assert.deepEqual(await ids(), before);
  });

  await t.test('a reload comes back as the same person', async () => {
    const before = (await readRoster(bob)).map(({ id }) => id).sort();
    await anna.page.reload();
    await anna.page.locator('[data-phase="connected"]').waitFor({ timeout: 20_000 });
    for (const window of [anna, bob, carla]) await waitForRoster(window, direct(2), 40_000);
    await hears(bob, [CONFERENCE_HZ, 600, 1300]);
    assert.deepEqual((await readRoster(bob)).map(({ id }) => id).sort(), before);
  });

  await t.test('who leaves is gone for the others', async () => {
    await leave(carla);
    for (const window of [anna, bob]) await waitForRoster(window, direct(1));
    await hears(anna, [CONFERENCE_HZ, 900]);
    await leave(anna);
    await leave(bob);
  });
});

test('a pair without a direct way is relayed, and direct again when there is one', async () => {
  // No candidates: ICE cannot succeed, until the page is told that the obstacle is gone.
  const blind = () => {
    window.isBlind = true;
    const original = RTCPeerConnection.prototype.setRemoteDescription;
    RTCPeerConnection.prototype.setRemoteDescription = function (description) {
      const isPeer = /^m=video/m.test(description.sdp);
      const sdp =
        window.isBlind && isPeer
          ? description.sdp.replace(/^a=candidate:.*\r\n/gm, '')
          : description.sdp;
      return original.call(this, { type: description.type, sdp });
    };
  };
  const [anna, bob] = [await open(600, blind), await open(900, blind)];
  await focus.page.evaluate(() => window.focus.reports.splice(0));
  await joinRoom(anna, room, 'Anna');
  await joinRoom(bob, room, 'Bob');
  const relayed = (roster) => roster.some(({ link }) => link === 'relayed');
  await waitForRoster(anna, relayed, 90_000);
  await waitForRoster(bob, relayed, 90_000);
  await hears(anna, [CONFERENCE_HZ]);
  const reports = () => focus.page.evaluate(() => window.focus.reports.map(({ type }) => type));
  assert.deepEqual(await reports(), ['ICE_FAILED', 'ICE_FAILED'], 'each failure is told once');
  for (const { page } of [anna, bob]) {
    await page.evaluate(() => {
      window.isBlind = false;
    });
  }
  for (const window of [anna, bob]) await waitForRoster(window, direct(1), 60_000);
  await hears(anna, [CONFERENCE_HZ, 900]);
  assert.deepEqual((await reports()).slice(2), ['ICE_CONNECTED']);
  await leave(anna);
  await leave(bob);
});

for (const [caller, callee] of [
  ['jssip', 'sipjs'],
  ['sipjs', 'jssip'],
]) {
  test(`plain pages: ${caller} joins, and calls ${callee} directly`, async () => {
    const [one, two] = [await open(600), await open(900)];
    for (const [window, library, user] of [
      [one, caller, 'one'],
      [two, callee, 'two'],
    ]) {
      const parameters = new URLSearchParams({
        server: `${server.url.replace('http', 'ws')}/sip`,
        domain: 'talkpath.test',
        user: `plain-${user}`,
        peer: 'plain-two',
        name: user,
      });
      await window.page.goto(`${server.url}/e2e/${library}.html?${parameters}`);
      await window.page.getByRole('button', { name: 'log in' }).click();
      await window.page.waitForFunction(() => window.plain.registered);
    }
    const state = ({ page }, peer) => page.evaluate((id) => window.plain.calls[id]?.state, peer);
    for (const window of [one, two]) {
      await window.page.getByRole('button', { name: 'join the conference' }).click();
      await until(async () => (await state(window, 'joinconf')) === 'up', 'in the conference');
    }
    await until(
      () =>
        one.page.evaluate(() =>
          window.plain.messages.some(({ json }) => json.includes('"plain-two"')),
        ),
      'a roster with the other one',
    );
    await one.page.getByRole('button', { name: 'call directly' }).click();
    await until(async () => (await state(one, 'plain-two')) === 'up', 'the direct call');
    await hears(one, [CONFERENCE_HZ, 900]);
    await hears(two, [CONFERENCE_HZ, 600]);
    await one.page.getByRole('button', { name: 'send', exact: true }).click();
    await until(
      () => two.page.evaluate(() => window.plain.messages.some(({ peer }) => peer === 'plain-one')),
      'a message on the direct call',
    );
    await one.page.getByRole('button', { name: 'hang up' }).click();
    await until(async () => (await state(two, 'plain-one')) === 'over', 'the end of the call');
    await two.page.getByRole('button', { name: 'hang up' }).click();
  });
}
