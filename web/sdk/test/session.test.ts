import { describe, expect, test } from 'vitest';
import { parseAdmission, requestAdmission } from '../src/api.js';
import { forget, keep, recall } from '../src/identity.js';
import { videoBitrate } from '../src/media.js';
import { OUTBOX_MAX, Outbox, type SendResult } from '../src/outbox.js';
import { compareIds, matchPhones } from '../src/roster.js';
import { ActiveSpeaker, levelOf } from '../src/speaking.js';

const ADMISSION = {
  username: 'guest1',
  displayName: 'Anna',
  token: 'abc',
  websocketUrl: 'wss://talk.example.org/sip?token=abc',
  domain: 'talk.example.org',
  iceServers: [{ urls: ['stun:talk.example.org:3478'] }],
  room: '1234',
  expiresAt: 1_900_000_000_000,
  phoneNumber: '+15550100',
};

describe('admission', () => {
  test.each([
    ['milliseconds', 1_900_000_000_000],
    ['seconds', 1_900_000_000],
    ['a date', '2030-03-17T17:46:40Z'],
  ])('its end may be %s', (_, expiresAt) => {
    expect(parseAdmission({ ...ADMISSION, expiresAt })).toEqual(ADMISSION);
  });

  test.each([
    ['username', ''],
    ['token', 7],
    ['domain', undefined],
    ['websocketUrl', 'javascript:alert(1)'],
    ['expiresAt', 'soon'],
  ])('is refused without a proper %s', (name, value) => {
    expect(parseAdmission({ ...ADMISSION, [name]: value })).toBeNull();
  });

  const answer = (status: number, body: unknown) => async () =>
    new Response(JSON.stringify(body), { status });

  test.each([
    [400, 'name-refused'],
    [403, 'not-allowed'],
    [404, 'room-not-found'],
    [409, 'room-full'],
    [410, 'room-closed'],
    [429, 'too-many-requests'],
    [503, 'server-error'],
  ])('an answer %i is %s, with the words of the server', async (status, code) => {
    const fetcher = answer(status, { error: { code: 'x', message: 'because' } });
    const asked = requestAdmission('https://talk.example.org', '1234', 'Anna', fetcher);
    await expect(asked).rejects.toMatchObject({ code, detail: 'because' });
  });

  test('a server that is not there is said to be so', async () => {
    const fetcher = () => Promise.reject(new TypeError('failed to fetch'));
    const asked = requestAdmission('https://talk.example.org', '1234', 'Anna', fetcher);
    await expect(asked).rejects.toMatchObject({ code: 'server-unreachable' });
  });

  test('the room is one segment of the path, whatever it is', async () => {
    let asked = '';
    const fetcher = async (url: string | URL | Request) => {
      asked = String(url);
      return new Response(JSON.stringify(ADMISSION), { status: 201 });
    };
    await requestAdmission('https://talk.example.org', '../../x?y', 'Anna', fetcher);
    expect(asked).toBe('https://talk.example.org/api/v1/rooms/..%2F..%2Fx%3Fy/join');
  });
});

class MemoryStorage {
  readonly items = new Map<string, string>();
  getItem = (key: string) => this.items.get(key) ?? null;
  setItem = (key: string, value: string) => void this.items.set(key, value);
  removeItem = (key: string) => void this.items.delete(key);
}

describe('identity', () => {
  const base = 'https://talk.example.org';
  const kept = () => {
    const storage = new MemoryStorage() as unknown as Storage;
    keep(storage, base, '1234', 'anna', ADMISSION);
    return storage;
  };
  const before = ADMISSION.expiresAt - 60_000;

  test('survives for the same server, room and name', () => {
    expect(recall(kept(), base, '1234', 'anna', before)).toEqual(ADMISSION);
    expect(recall(kept(), base, '1234', 'Bob', before)).toBeNull();
    expect(recall(kept(), base, '99', 'anna', before)).toBeNull();
    expect(recall(kept(), 'https://other.example', '1234', 'anna', before)).toBeNull();
  });

  test('ends a little before its token', () => {
    expect(recall(kept(), base, '1234', 'anna', ADMISSION.expiresAt - 29_000)).toBeNull();
  });

  test('is gone when forgotten, or when somebody wrote nonsense there', () => {
    const storage = kept();
    forget(storage, base, '1234');
    expect(recall(storage, base, '1234', 'anna', before)).toBeNull();
    storage.setItem('talkpath:talk.example.org/1234', '{');
    expect(recall(storage, base, '1234', 'anna', before)).toBeNull();
    expect(recall(null, base, '1234', 'anna', before)).toBeNull();
  });
});

describe('outbox', () => {
  test('sends one at a time, in order, and the lost one again first, under its number', async () => {
    const outbox = new Outbox();
    const sent: string[] = [];
    const results: SendResult[] = ['ok', 'lost'];
    outbox.connect(async (text, number) => {
      sent.push(`${number}${text}`);
      return results.shift() ?? 'ok';
    });
    const all = Promise.all(['a', 'b', 'c'].map((text) => outbox.push(text)));
    await new Promise((resolve) => setTimeout(resolve));
    expect(sent).toEqual(['1a', '2b']);
    outbox.connect(async (text, number) => {
      sent.push(`${number}${text}`);
      return 'ok';
    });
    await all;
    expect(sent).toEqual(['1a', '2b', '2b', '3c']);
  });

  test('tells who sent a refused one, and goes on', async () => {
    const outbox = new Outbox();
    outbox.connect(async (text) => (text === 'bad' ? 'refused' : 'ok'));
    const [bad, good] = [outbox.push('bad'), outbox.push('good')];
    await expect(bad).rejects.toThrow('refused');
    await expect(good).resolves.toBeUndefined();
  });

  test('is bounded, and empty after its end', async () => {
    const outbox = new Outbox();
    const waiting = Array.from({ length: OUTBOX_MAX }, (_, i) => outbox.push(String(i)));
    await expect(outbox.push('one more')).rejects.toThrow('too many');
    outbox.close();
    const results = await Promise.allSettled(waiting);
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
  });
});

describe('roster', () => {
  test('changes are joins and leaves', () => {
    expect(compareIds(['a', 'b'], ['b', 'c'])).toEqual({ joined: ['c'], left: ['a'] });
  });

  test('two telephones with one number are two', () => {
    const first = matchPhones([], ['+1', '+1', '']);
    expect(new Set(first.map(({ key }) => key)).size).toBe(3);
    expect(matchPhones(first, ['+1', ''])).toEqual([first[0], first[2]]);
  });
});

describe('speaking', () => {
  const levels = (entries: Record<string, number>) => new Map(Object.entries(entries));

  test('silence has level 0, speech lies in between, and full scale is 1', () => {
    const sine = (peak: number) => Float32Array.from({ length: 480 }, (_, i) => peak * Math.sin(i));
    expect(levelOf(sine(0))).toBe(0);
    expect(levelOf(sine(0.05))).toBeGreaterThan(0.5);
    expect(levelOf(sine(0.05))).toBeLessThan(0.7);
    expect(levelOf(sine(1))).toBe(1);
  });

  test('the word is kept through a pause and is lost after it', () => {
    const speaker = new ActiveSpeaker();
    expect(speaker.update(0, levels({ a: 0.6, b: 0.1 }))).toBe(true);
    expect(speaker.update(1_000, levels({ a: 0, b: 0.1 }))).toBe(false);
    expect(speaker.update(1_300, levels({ a: 0, b: 0.1 }))).toBe(true);
    expect(speaker.id).toBeNull();
  });

  test('it is taken over by somebody clearly louder only', () => {
    const speaker = new ActiveSpeaker();
    speaker.update(0, levels({ a: 0.5, b: 0 }));
    expect(speaker.update(100, levels({ a: 0.5, b: 0.6 }))).toBe(false);
    expect(speaker.update(200, levels({ a: 0.4, b: 0.7 }))).toBe(true);
    expect(speaker.id).toBe('b');
  });

  test('it is free when its owner has left', () => {
    const speaker = new ActiveSpeaker();
    speaker.update(0, levels({ a: 0.9 }));
    expect(speaker.update(50, levels({}))).toBe(true);
    expect(speaker.id).toBeNull();
  });
});

test('the uplink is shared, within reason', () => {
  expect([1, 2, 5, 30].map(videoBitrate)).toEqual([1_200_000, 1_200_000, 600_000, 150_000]);
});
