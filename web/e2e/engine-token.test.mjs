/**
 * An hour in a call, with a token that lives as short as the engine takes it. `cargo build`, `npm
 * run build`, then `npm run test:engine`.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idsOf, pause, phase, setStage } from './stage.mjs';
import { joinRoom, readRoster } from './windows.mjs';

const TOKEN_S = 60;

const stage = setStage({ keys: { 'api.token_s': TOKEN_S } });

test('who has been in for longer than a token lives stays who it was', { timeout: 180_000 }, async () => {
  const anna = await stage.open();
  const ids = async () => idsOf(await readRoster(anna));
  await joinRoom(anna, stage.url('1005', stage.door), 'Anna', { camera: false });
  const before = await ids();
  assert.equal(before.length, 1);
  await pause((TOKEN_S + 5) * 1_000);
  stage.door.shut(true);
  await phase(anna, 'reconnecting');
  stage.door.shut(false);
  await phase(anna, 'connected');
  assert.deepEqual(await ids(), before);
  await anna.page.reload();
  await phase(anna, 'connected');
  assert.deepEqual(await ids(), before);
});
