/**
 * The plain pages on JsSIP and on SIP.js, without our SDK, against the real engine: in a conference
 * with a telephone, and in direct calls. One logs in with a guest's token, the other by digest.
 */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { same, until } from './engine.mjs';
import { openFirefox } from './firefox.mjs';
import { servePages } from './pages.mjs';
import { setStage } from './stage.mjs';
import { openBeside, openWindow } from './windows.mjs';

const [PHONE_HZ, ONE_HZ, TWO_HZ] = [440, 600, 900];
const KEY = 'a-key-for-tests-that-is-long-enough-0123456789';
const PASSWORD = 'Correct-horse-7';

const stage = setStage({ tones: [PHONE_HZ, ONE_HZ, TWO_HZ], keys: { 'api.key': KEY } });
let pages;
/** Browsers, by what opened them and their tone. */
const browsers = new Map();

before(async () => {
  pages = await servePages();
});

after(() => pages.close());

const post = async (path, body) => {
  const response = await fetch(`${stage.engine.url}/api/v1${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` },
    body: JSON.stringify(body),
  });
  assert.ok(response.ok, `${path}: ${response.status} ${await response.clone().text()}`);
  return response.json();
};
const openPage = async (open, library, toneHz, fields) => {
  const key = `${open.name} ${toneHz}`;
  if (!browsers.has(key)) browsers.set(key, await stage.open({ toneHz }, open));
  const window = await openBeside(browsers.get(key));
  const server = `${stage.engine.url.replace('http', 'ws')}/sip`;
  const parameters = new URLSearchParams({ server, domain: '127.0.0.1', ...fields });
  await window.page.goto(`${pages.url}/e2e/${library}.html?${parameters}`);
  await click(window, 'log in');
  await window.page.waitForFunction(() => window.plain.registered);
  return window;
};
const click = ({ page }, name) => page.getByRole('button', { name, exact: true }).click();
const fill = ({ page }, label, text) => page.getByLabel(label).fill(text);
const call = ({ page }, peer) => page.evaluate((id) => window.plain.calls[id] ?? {}, peer);
const reaches = (window, peer, wanted) =>
  until(async () => same((await call(window, peer)).state, wanted), `the call is ${wanted}`);
const hasMessage = ({ page }, peer, part) =>
  until(
    () =>
      page.evaluate(
        ([from, text]) =>
          window.plain.messages.some((one) => one.peer === from && one.json.includes(text)) ||
          window.plain.messages,
        [peer, part],
      ),
    `a message of ${peer} with ${part}`,
  );
/** Each once: a browser may say for every line what another says for all of them. */
const lines = (sdp, name) => [
  ...new Set(sdp.split(/\r?\n/).filter((line) => line.startsWith(`a=${name}:`))),
];

for (const [room, caller, callee, refusal, openCaller, openCallee] of [
  ['11223344', 'jssip', 'sipjs', 603, openWindow, openWindow],
  ['55667788', 'sipjs', 'jssip', 486, openWindow, openWindow],
  ['22334455', 'jssip', 'sipjs', 603, openFirefox, openWindow],
  ['66778899', 'sipjs', 'jssip', 486, openFirefox, openWindow],
]) {
  const names = [openCaller, openCallee].map((open) =>
    open === openFirefox ? 'Firefox' : 'Chromium',
  );
  const what = `${caller} by token in ${names[0]}, ${callee} by digest in ${names[1]}`;
  test(`plain pages: ${what}`, { timeout: 120_000 }, async (t) => {
    const guest = await post(`/rooms/${room}/join`, { name: 'One' });
    const user = `plain-${callee}-${room}`;
    await post('/users', { username: user, password: PASSWORD, displayName: 'Two' });
    const [one, two] = await Promise.all([
      openPage(openCaller, caller, ONE_HZ, {
        user: guest.username,
        token: guest.token,
        name: 'One',
        room,
        peer: user,
      }),
      openPage(openCallee, callee, TWO_HZ, { user, password: PASSWORD, name: 'Two', room }),
    ]);

    let phone;
    await t.test('both and a telephone are in a conference', async () => {
      for (const window of [one, two]) {
        await click(window, 'join the conference');
        await reaches(window, 'joinconf', 'up');
      }
      await hasMessage(one, 'joinconf', `"callerid":"${user}"`);
      await hasMessage(two, 'joinconf', `"callerid":"${guest.username}"`);
      phone = await stage.dialIn(room, PHONE_HZ);
      await hasMessage(one, 'joinconf', 'CALL_PARTICIPANT_CONNECTED');
      await stage.hears(one, [PHONE_HZ], caller);
      await stage.hears(two, [PHONE_HZ], callee);
      await stage.phoneHears(phone, [ONE_HZ, TWO_HZ]);
      await click(two, 'send');
      await hasMessage(one, 'joinconf', 'hello');
    });

    await t.test('a direct call: sound, a message, descriptions as they were', async () => {
      await click(one, 'call directly');
      await reaches(one, user, 'up');
      await reaches(two, guest.username, 'up');
      await stage.hears(one, [PHONE_HZ, TWO_HZ], caller);
      await stage.hears(two, [PHONE_HZ, ONE_HZ], callee);
      phone.hangUp();
      await hasMessage(one, 'joinconf', 'CALL_PARTICIPANT_DISCONNECTED');
      const [a, b] = [await call(one, user), await call(two, guest.username)];
      for (const name of ['fingerprint', 'ice-ufrag', 'ice-pwd', 'setup']) {
        assert.ok(lines(a.local, name).length > 0, a.local);
        assert.deepEqual(lines(b.remote, name), lines(a.local, name), 'the offer');
        assert.deepEqual(lines(a.remote, name), lines(b.local, name), 'the answer');
      }
      await click(one, 'send');
      await hasMessage(two, guest.username, 'hello');
      await click(one, 'hang up');
      await reaches(two, guest.username, 'over');
      await click(two, 'hang up');
      await reaches(two, 'joinconf', 'over');
    });

    await t.test('a call that is taken back', async () => {
      await fill(two, 'calls get', 'ring');
      await click(one, 'call directly');
      await reaches(two, guest.username, 'ringing');
      await reaches(one, user, 'ringing');
      await click(one, 'hang up');
      for (const [window, peer] of [
        [one, user],
        [two, guest.username],
      ]) {
        await reaches(window, peer, 'over');
      }
    });

    await t.test(`a call that is refused with ${refusal}`, async () => {
      await fill(two, 'calls get', String(refusal));
      await click(one, 'call directly');
      await reaches(one, user, 'over');
      assert.match((await call(one, user)).detail, new RegExp(`^${refusal}`));
    });

    await t.test('a call to who is not there', async () => {
      await fill(one, 'user to call', 'nobody');
      await click(one, 'call directly');
      await reaches(one, 'nobody', 'over');
      assert.match((await call(one, 'nobody')).detail, /^480/);
    });
    await Promise.all([one, two].map((window) => window.close()));
    assert.deepEqual(
      [one, two].flatMap(({ faults }) => faults).filter((text) => /error/i.test(text)),
      [],
    );
  });
}
