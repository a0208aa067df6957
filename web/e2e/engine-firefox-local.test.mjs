/** Firefox on the machine of the engine, as they come. */

import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { openFirefox } from './firefox.mjs';
import { direct, setStage } from './stage.mjs';
import { joinRoom, waitForRoster } from './windows.mjs';

const [PHONE_HZ, FOX_HZ] = [440, 600];
const ROOM = '1234';

// An engine on all addresses, and a browser that sends nothing to 127.0.0.1.
const stage = setStage({ tones: [PHONE_HZ, FOX_HZ], keys: { 'media.bind': '0.0.0.0' } });
const prefs = { 'media.peerconnection.ice.loopback': false };

const isOnline = Object.values(networkInterfaces())
  .flat()
  .some(({ family, internal }) => family === 'IPv4' && !internal);

test('Firefox on the machine of the engine', { skip: !isOnline, timeout: 180_000 }, async (t) => {
  const [fox, listener] = await Promise.all([
    stage.open({ toneHz: FOX_HZ, prefs }, openFirefox),
    stage.open({ isAllowed: false, prefs }, openFirefox),
  ]);
  await joinRoom(fox, stage.url(ROOM), 'Fox', { camera: false });

  await t.test('who refuses the microphone is told so, and may listen', async () => {
    await listener.page.goto(stage.url(ROOM));
    const alert = listener.page.getByRole('alert');
    await alert.filter({ hasText: 'The microphone is blocked' }).waitFor();
    await listener.page.getByLabel('Your name').fill('Listener');
    await listener.page.getByRole('button', { name: 'Join and listen' }).click();
    for (const window of [fox, listener]) await waitForRoster(window, direct(1));
  });

  const phone = await stage.dialIn(ROOM, PHONE_HZ);
  await stage.hears(fox, [PHONE_HZ], 'Firefox');
  await stage.hears(listener, [PHONE_HZ, FOX_HZ], 'the listener');
  await stage.phoneHears(phone, [FOX_HZ]);
  phone.hangUp();
});
