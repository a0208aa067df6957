/**
 * How the page looks and behaves in windows of several sizes, against the development server: `npm
 * run build && npm run build:e2e && npm run test:browser`.
 */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startServer } from '../dev/server.mjs';
import { direct, leave, phase } from './stage.mjs';
import { joinRoom, openBeside, openWindow, readRoster, waitForRoster } from './windows.mjs';

const LONG = 'Carla Nováková with quite a long name that has to end somewhere';
const ARABIC = 'محمد بن عبد الله الطويل الاسم جدا حتى النهاية';
const PHONES = Array.from({ length: 12 }, (_, index) => `+3161234${5000 + index * 37}`);

let server;
let focus;
let room;
let anna;

before(async () => {
  server = await startServer(0);
  room = `${server.url}/join/482913507`;
  focus = await openWindow({ whole: true });
  await focus.page.goto(`${server.url}/e2e/focus.html`);
  anna = await open({ viewport: { width: 1440, height: 900 } });
  await anna.page.goto(room);
});

after(async () => {
  await focus.close();
  server.close();
});

/** All in one browser: nobody listens. */
const open = (options) => openBeside(focus, options);
const boxOf = (locator) => locator.boundingBox();

test('Join is in sight in every window', async () => {
  const { page } = await open();
  await page.goto(room);
  const join = page.getByRole('button', { name: 'Join', exact: true, disabled: false });
  await join.waitFor();
  for (const [width, height] of [
    [320, 568],
    [360, 640],
    [640, 360],
    [768, 1024],
    [1440, 900],
  ]) {
    await page.setViewportSize({ width, height });
    const box = await boxOf(join);
    const isInside = box.y >= 0 && box.y + box.height <= height && box.x + box.width <= width;
    assert.ok(isInside, `${width} by ${height}: ${JSON.stringify(box)}`);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${width} by ${height} scrolls sideways by ${overflow}`);
  }
});

test('two people: a 16:9 picture, and ourselves small in its corner', async () => {
  const microphones = anna.page.getByLabel('Microphone', { exact: true });
  await microphones.selectOption({ label: 'Fake Audio Input 2' });
  await anna.page.getByLabel('Your name').fill('Anna');
  await anna.page.getByRole('button', { name: 'Join', exact: true, disabled: false }).click();
  await phase(anna, 'connected');
  const bob = await open({ viewport: { width: 768, height: 1024 } });
  await joinRoom(bob, room, LONG);
  await waitForRoster(anna, direct(1));
  const guest = await boxOf(anna.page.locator('[data-tile="person"]'));
  const self = await boxOf(anna.page.locator('[data-tile="self"]'));
  for (const { width, height } of [guest, self]) {
    assert.ok(Math.abs(width / height - 16 / 9) < 0.03, `${width} by ${height}`);
  }
  assert.ok(self.width * 4 < guest.width, `${self.width} beside ${guest.width}`);
});

test('the notice of a long name says what happened', async () => {
  const other = await open();
  await joinRoom(other, room, `${LONG} 2`, { camera: false });
  const words = anna.page.locator('.notice-text', { hasText: 'joined' }).last();
  await words.waitFor();
  const [text, notice] = [await boxOf(words), await boxOf(words.locator('..'))];
  assert.ok(text.x + text.width <= notice.x + notice.width, 'the words are inside');
  assert.ok(notice.x + notice.width <= 1440 && notice.height < 44, 'one line, in the window');
  await leave(other);
  await other.close();
  await waitForRoster(anna, direct(1));
});

test('a name from right to left is cut at its end', async () => {
  const other = await open();
  await joinRoom(other, room, ARABIC, { camera: false });
  await waitForRoster(anna, direct(2));
  const name = anna.page.locator('.chip-name', { hasText: ARABIC });
  assert.equal(await name.evaluate((it) => getComputedStyle(it).direction), 'rtl');
  await leave(other);
  await other.close();
  await waitForRoster(anna, direct(1));
});

test('Alt and a letter in the chat box is a letter, and elsewhere a shortcut', async () => {
  const { page } = anna;
  await page.keyboard.press('Alt+c');
  await page.getByLabel('Message', { exact: true }).press('Alt+l');
  await page.getByLabel('Message', { exact: true }).press('Alt+m');
  assert.equal(await page.locator('[data-phase="connected"]').count(), 1);
  await page.getByRole('button', { name: 'Mute microphone' }).waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Alt+m');
  await page.getByRole('button', { name: 'Unmute microphone' }).click();
});

test('the settings show the microphone that was chosen in the lobby, also after a reload', async () => {
  const { page } = anna;
  const chosen = async () => {
    await page.getByRole('button', { name: 'Settings' }).click();
    const list = page.getByLabel('Microphone', { exact: true });
    await list.locator('option', { hasText: 'Fake Audio Input 2' }).waitFor({ state: 'attached' });
    const label = await list.evaluate((it) => it.selectedOptions[0]?.textContent);
    await page.getByRole('button', { name: 'Close settings' }).click();
    return label;
  };
  assert.equal(await chosen(), 'Fake Audio Input 2');
  await page.reload();
  await phase(anna, 'connected');
  await waitForRoster(anna, direct(1));
  assert.equal(await chosen(), 'Fake Audio Input 2');
});

test('telephones stand in one strip, which shows when one of them speaks', async () => {
  await focus.page.evaluate((numbers) => window.focus.setPhones(numbers), PHONES);
  const { page } = anna;
  await page.locator('.phones[data-speaking="true"]').waitFor();
  assert.equal(await page.locator('[data-tile="phone"]').count(), PHONES.length);
  assert.equal(await page.locator('.phone-chip[data-speaking="true"]').count(), 0);
  const strip = await boxOf(page.locator('.phones'));
  assert.ok(strip.height < 64, `${strip.height}`);
  await focus.page.evaluate((numbers) => window.focus.setPhones(numbers), PHONES.slice(0, 1));
  await page.locator('.phone-chip[data-speaking="true"]').waitFor();
});

test('beyond nine people there are pages, and a list of all', async () => {
  await focus.page.evaluate(() => {
    const real = window.focus.members().map(({ id, displayName }) => [id, displayName]);
    const more = Array.from({ length: 20 }, (_, index) => [`a${index}`, `Person ${index}`]);
    const peers = [...real, ...more].map(([callerid, displayName]) => ({ callerid, displayName }));
    window.focus.say({ peers, pstnCalls: [] });
  });
  const { page } = anna;
  await page.getByText('1 of 3', { exact: true }).waitFor();
  const names = async () => (await readRoster(anna)).map(({ name }) => name);
  assert.equal((await names()).length, 9);
  await page.getByRole('button', { name: 'Next people' }).click();
  await page.getByText('2 of 3', { exact: true }).waitFor();
  assert.ok((await names()).includes('Person 7'));
  await page.getByRole('button', { name: '22 people' }).click();
  assert.equal(await page.locator('.people li').count(), 22);
  await page.keyboard.press('Escape');
  const focused = await page.evaluate(() => document.activeElement?.textContent);
  assert.equal(focused, '22 people', 'the focus is back where the list was opened');
});
