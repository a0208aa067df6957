import { describe, expect, test } from 'vitest';
import {
  MESSAGE_BYTES_MAX,
  parseIncoming,
  parseSentMedia,
  userOf,
  writeMessage,
  writeSentMedia,
} from '../src/messages.js';

describe('what arrives', () => {
  test.each([
    ['nothing', ''],
    ['no JSON', '{"type":'],
    ['a list', '[]'],
    ['a string', '"chat"'],
    ['null', 'null'],
    ['a type that is no string', '{"type":7}'],
    ['an empty type', '{"type":""}'],
    ['no type and no roster', '{"peers":"many"}'],
    ['a telephone without a number', '{"type":"CALL_PARTICIPANT_CONNECTED"}'],
    ['a failure without the callee', '{"type":"ICE_FAILED"}'],
  ])('%s is no message', (_, text) => {
    expect(parseIncoming(text)).toBeNull();
  });

  test.each([
    [120, 120],
    [0, 0],
    [-1, 0],
    [1.5, 0],
    ['120', 0],
    [null, 0],
  ])('telephones that a roster has no room for: %j are %i', (morePstnCalls, morePhones) => {
    const text = JSON.stringify({ peers: [], pstnCalls: [], morePstnCalls });
    expect(parseIncoming(text)).toEqual({ kind: 'roster', peers: [], phones: [], morePhones });
  });

  test('a roster loses what is broken in it and keeps the rest', () => {
    const text = JSON.stringify({
      peers: [
        { callerid: 'sip:anna@example.org', displayName: 'Anna' },
        { callerid: 'bob' },
        { callerid: 7 },
        'carl',
        { callerid: 'bob', displayName: 'Bob' },
      ],
      pstnCalls: [{ id: 'phone-1', callerid: '+1****100' }, { callerid: '+15550100' }, {}],
    });
    expect(parseIncoming(text)).toEqual({
      kind: 'roster',
      peers: [
        { id: 'anna', displayName: 'Anna' },
        { id: 'bob', displayName: 'Bob' },
      ],
      phones: [
        { id: 'phone-1', callerId: '+1****100' },
        { id: '', callerId: '+15550100' },
        { id: '', callerId: '' },
      ],
      morePhones: 0,
    });
  });

  test.each([
    ['CALL_PARTICIPANT', 'calling'],
    ['CALL_PARTICIPANT_CONNECTED', 'connected'],
    ['CALL_PARTICIPANT_DISCONNECTED', 'disconnected'],
    ['CALL_PARTICIPANT_FAILED', 'failed'],
  ])('%s is about a telephone', (type, status) => {
    const text = JSON.stringify({ type, number: '+1555', reason: 'busy' });
    expect(parseIncoming(text)).toEqual({ kind: 'phone', status, number: '+1555', reason: 'busy' });
  });

  test('the sender is who the conference says', () => {
    const text =
      '{"type":"chat","from":"sip:eve@x","displayName":"Eve","data":{"text":"hi"},"to":"me"}';
    expect(parseIncoming(text)).toEqual({
      kind: 'message',
      type: 'chat',
      from: 'eve',
      displayName: 'Eve',
      data: { text: 'hi' },
      to: 'me',
      id: null,
    });
  });

  test.each(['constructor', '__proto__', 'toString'])('the type %s is an ordinary one', (type) => {
    expect(parseIncoming(`{"type":"${type}"}`)).toMatchObject({ kind: 'message', type });
  });
});

describe('what is sent', () => {
  test('to everybody has no addressee', () => {
    const written = '{"type":"chat","data":{"text":"hi"},"to":"bob","id":"7"}';
    expect(writeMessage('chat', { text: 'hi' }, '7', 'bob')).toBe(written);
  });

  test.each(['ICE_FAILED', 'CALL_PARTICIPANT', 'ERROR', 'CALL_PARTICIPANT_CONNECTED'])(
    '%s belongs to the conference',
    (type) => {
      expect(() => writeMessage(type, null, '7')).toThrow(TypeError);
    },
  );

  test('is measured in bytes and not in characters', () => {
    const room = MESSAGE_BYTES_MAX - writeMessage('chat', '', '7').length;
    expect(writeMessage('chat', 'a'.repeat(room), '7')).toHaveLength(MESSAGE_BYTES_MAX);
    expect(() => writeMessage('chat', 'a'.repeat(room + 1), '7')).toThrow(RangeError);
    expect(() => writeMessage('chat', 'ä'.repeat(room / 2 + 1), '7')).toThrow(RangeError);
    for (const type of ['', 't'.repeat(65), 'Chat', '7', 'über']) {
      expect(() => writeMessage(type, 'a', '7'), type).toThrow(RangeError);
    }
  });
});

test('sent media survive the way to the other side', () => {
  const sends = { microphone: true, video: 'screen' } as const;
  expect(parseSentMedia(writeSentMedia(sends))).toEqual(sends);
  expect(parseSentMedia('{"type":"MEDIA","microphone":1,"video":"camera"}')).toBeNull();
  expect(parseSentMedia('{"type":"MEDIA","microphone":true,"video":"hologram"}')).toBeNull();
  expect(parseSentMedia('hello')).toBeNull();
});

test.each([
  ['anna', 'anna'],
  ['sip:anna@example.org', 'anna'],
  ['SIPS:anna@example.org:5061;x=y', 'anna'],
  ['+15550100', '+15550100'],
  ['', ''],
])('the user of %s is %s', (address, user) => {
  expect(userOf(address)).toBe(user);
});
