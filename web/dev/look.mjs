/**
 * Takes pictures of the page's faces into a folder: `npm run build && npm run build:e2e && node
 * dev/look.mjs /tmp/pictures`. They are to be looked at by a person; nothing is compared.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { heardTones, joinRoom, openWindow, waitForRoster } from '../e2e/windows.mjs';
import { startServer } from './server.mjs';

const folder = process.argv[2] ?? '/tmp/pictures';
mkdirSync(folder, { recursive: true });
const server = await startServer(0);
const room = `${server.url}/join/482913507`;
const windows = [];

const open = async (options) => {
  const window = await openWindow({ viewport: { width: 1280, height: 800 }, ...options });
  windows.push(window);
  return window;
};
const picture = (window, name) => window.page.screenshot({ path: join(folder, `${name}.png`) });

try {
  const focus = await open({ toneHz: 0 });
  await focus.page.goto(`${server.url}/e2e/focus.html`);

  const anna = await open({ toneHz: 600 });
  await anna.page.goto(server.url);
  await picture(anna, '01-home');
  await anna.page.goto(room);
  await anna.page.getByRole('button', { name: 'Join', exact: true }).waitFor();
  await anna.page.getByLabel('Your name').fill('Anna de Boer');
  await anna.page.waitForTimeout(800);
  await picture(anna, '02-lobby');
  await anna.page.getByLabel('Your name').fill('');
  await anna.page.getByRole('button', { name: 'Join', exact: true }).click();
  await picture(anna, '03-lobby-name-missing');

  await joinRoom(anna, room, 'Anna de Boer');
  await anna.page.waitForTimeout(500);
  await picture(anna, '04-alone');
  const bob = await open({
    toneHz: 900,
    colorScheme: 'dark',
    viewport: { width: 360, height: 720 },
  });
  await joinRoom(bob, room, 'Bob <b>Brown</b>', { camera: false });
  const carla = await open({ toneHz: 1300, colorScheme: 'dark' });
  await joinRoom(carla, room, 'Carla Nováková with quite a long name that has to end somewhere');
  await focus.page.evaluate(() => window.focus.setPhones(['+31612345678', '+4930901820']));
  const all = (roster) => roster.filter(({ link }) => link === 'direct').length === 2;
  for (const window of [anna, bob, carla]) await waitForRoster(window, all);
  await anna.page.waitForTimeout(1500);
  await picture(anna, '05-call');
  await picture(carla, '06-call-dark');
  await picture(bob, '07-call-narrow-dark');
  for (const [name, window] of [
    ['anna', anna],
    ['bob', bob],
    ['carla', carla],
  ]) {
    console.log(name, 'hears', await heardTones(window, [440, 600, 900, 1300]));
  }

  await bob.page.keyboard.press('Alt+c');
  await bob.page
    .getByLabel('Message', { exact: true })
    .fill('Good morning! Can everybody hear me?');
  await bob.page.keyboard.press('Enter');
  await anna.page.waitForTimeout(400);
  await picture(anna, '08-unread');
  await anna.page.getByRole('button', { name: /Chat, 1 unread/ }).click();
  await anna.page.getByLabel('Message', { exact: true }).fill('Loud and clear, <i>thank you</i>.');
  await anna.page.keyboard.press('Enter');
  await anna.page.getByRole('combobox').selectOption({ index: 1 });
  await anna.page
    .getByLabel('Message', { exact: true })
    .fill('Only for you: the minutes are in the folder.');
  await anna.page.keyboard.press('Enter');
  await anna.page.waitForTimeout(400);
  await picture(anna, '09-chat');
  await picture(bob, '10-chat-narrow-dark');
  await bob.page.getByRole('button', { name: 'Close chat' }).click();

  await anna.page.keyboard.press('Alt+i');
  await anna.page.waitForTimeout(200);
  await picture(anna, '11-invite');
  await anna.page.getByRole('button', { name: 'Settings' }).click();
  await carla.page.keyboard.press('Alt+m');
  await carla.page.keyboard.press('Alt+s');
  await anna.page.waitForTimeout(1200);
  await picture(anna, '12-settings-and-shared-screen');
  await picture(bob, '13-shared-screen-narrow');
  await carla.page.keyboard.press('Alt+s');

  server.proxy.cut(true);
  await anna.page.locator('[data-phase="reconnecting"]').waitFor();
  await anna.page.waitForTimeout(300);
  await picture(anna, '14-reconnecting');
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  server.proxy.cut(false);
  await anna.page.locator('[data-phase="connected"]').waitFor({ timeout: 20_000 });
  await anna.page.waitForTimeout(1500);
  console.log('after the cut anna hears', await heardTones(anna, [440, 600, 900, 1300]));
  await picture(anna, '15-reconnected');

  await anna.page.reload();
  await anna.page.locator('[data-phase="connected"]').waitFor({ timeout: 20_000 });
  await waitForRoster(anna, all, 40_000);
  await anna.page.waitForTimeout(1000);
  console.log('after the reload anna hears', await heardTones(anna, [440, 600, 900, 1300]));
  await picture(anna, '16-reloaded');

  await carla.page.keyboard.press('Alt+l');
  await picture(carla, '17-left-dark');
  const id = await focus.page.evaluate(() => window.focus.members()[0].id);
  await focus.page.evaluate((member) => window.focus.remove(member), id);
  await bob.page.waitForTimeout(1000);
  await picture(bob, '18-bob-after-removal');
  await picture(anna, '19-anna-after-removal');

  const refused = await open({ colorScheme: 'light', viewport: { width: 360, height: 720 } });
  for (const kind of ['full', 'unknown', 'closed', 'hurried', 'broken']) {
    await refused.page.goto(`${server.url}/join/${kind}`);
    await refused.page.getByLabel('Your name').fill('Dirk');
    await refused.page.getByRole('button', { name: 'Join', exact: true }).click();
    await refused.page.getByRole('alert').waitFor();
    await refused.page.waitForTimeout(200);
    await refused.page.screenshot({ path: join(folder, `20-${kind}-narrow.png`), fullPage: true });
  }
  const deaf = await openWindow({ hasDevices: false, viewport: { width: 360, height: 720 } });
  windows.push(deaf);
  await deaf.page.goto(room);
  await deaf.page.getByRole('alert').waitFor();
  await deaf.page.screenshot({ path: join(folder, '21-no-microphone.png'), fullPage: true });
  const denied = await openWindow({ isAllowed: false, colorScheme: 'dark' });
  windows.push(denied);
  await denied.page.goto(room);
  await denied.page.getByRole('alert').waitFor();
  await picture(denied, '22-refused-dark');
  await denied.page.getByLabel('Your name').fill('Dora');
  await denied.page.getByRole('button', { name: 'Join and listen' }).click();
  await denied.page.locator('[data-phase="connected"]').waitFor();
  await denied.page.waitForTimeout(1500);
  await picture(denied, '23-listening-dark');
  console.log('who only listens hears', await heardTones(denied, [440, 600, 900, 1300]));

  for (const window of windows) if (window.faults.length) console.log(window.faults.slice(0, 8));
} finally {
  for (const window of windows) await window.close();
  server.close();
}
process.exit(0);
