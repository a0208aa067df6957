import { describe, expect, test, vi } from 'vitest';
import { parseAdmission, requestAdmission, requestAdmissionPatiently } from '../src/api.js';
import { causeOf } from '../src/conference-call.js';
import { JoinError, type JoinErrorCode } from '../src/errors.js';
import { forget, keep, recall } from '../src/identity.js';
import { reasonOf, retryAfterMs } from '../src/jssip.js';
import { videoBitrate } from '../src/media.js';
import { OUTBOX_MAX, Outbox, type SendResult } from '../src/outbox.js';
import { compareIds, matchPhones } from '../src/roster.js';
import { Seen, SEEN_MAX } from '../src/seen.js';
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

const ASK = { baseUrl: 'https://talk.example.org', room: '1234', displayName: 'Anna' };

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
    [500, 'server-error'],
    [503, 'server-restarting'],
    [503, 'server-error', 'too-many-guests'],
    [422, 'name-refused', 'invalid-display-name'],
    [422, 'room-not-found', 'invalid-room'],
  ])('an answer %i is %s, with the words of the server', async (status, code, problem = 'x') => {
    const fetcher = answer(status, { error: { code: problem, message: 'because' } });
    await expect(requestAdmission(ASK, fetcher)).rejects.toMatchObject({ code, detail: 'because' });
  });

  test('a server that is not there is said to be so', async () => {
    const fetcher = () => Promise.reject(new TypeError('failed to fetch'));
    const asked = requestAdmission(ASK, fetcher);
    await expect(asked).rejects.toMatchObject({ code: 'server-unreachable', isPassing: true });
  });

  test('the room is one segment of the path, whatever it is', async () => {
    let asked = '';
    const fetcher = async (url: string | URL | Request) => {
      asked = String(url);
      return new Response(JSON.stringify(ADMISSION), { status: 201 });
    };
    await requestAdmission({ ...ASK, room: '../../x?y' }, fetcher);
    expect(asked).toBe('https://talk.example.org/api/v1/rooms/..%2F..%2Fx%3Fy/join');
  });

  test('takes the old token along, and sets the end of the new one by our clock', async () => {
    let sent = '';
    const serverNow = ADMISSION.expiresAt - 3_600_000;
    const fetcher = async (_: string | URL | Request, init?: RequestInit) => {
      sent = String(init?.body);
      const headers = { Date: new Date(serverNow).toUTCString() };
      return new Response(JSON.stringify(ADMISSION), { status: 201, headers });
    };
    const before = Date.now();
    const { expiresAt } = await requestAdmission({ ...ASK, token: 'old' }, fetcher);
    expect(JSON.parse(sent)).toEqual({ name: 'Anna', token: 'old' });
    expect(expiresAt - before - 3_600_000).toBeGreaterThanOrEqual(0);
    expect(expiresAt - Date.now() - 3_600_000).toBeLessThanOrEqual(0);
  });

  const fault = (code: JoinErrorCode) => new JoinError(code, '', '', 2_000);

  test.each<[string, JoinErrorCode[], number, string]>([
    ['waits while the server restarts', ['server-restarting'], 1, 'in'],
    ['and while it is away', ['server-restarting', 'server-unreachable'], 2, 'in'],
    ['does not wait for a server that is not there', ['server-unreachable'], 0, 'refused'],
    ['nor when it is refused', ['server-restarting', 'room-full'], 1, 'refused'],
  ])('%s', async (_, faults, waits, end) => {
    vi.useFakeTimers();
    const left = faults.map(fault);
    let waited = 0;
    const request = async () => {
      const next = left.shift();
      if (next) throw next;
      return ADMISSION;
    };
    const asked = requestAdmissionPatiently(ASK, () => (waited += 1), request).then(
      () => 'in',
      () => 'refused',
    );
    await vi.advanceTimersByTimeAsync(10_000);
    expect([await asked, waited]).toEqual([end, waits]);
    vi.useRealTimers();
  });

  test('gives up the wait when it is told to', async () => {
    const given = new AbortController();
    const request = () => Promise.reject(fault('server-restarting'));
    const ask = { ...ASK, signal: given.signal };
    const asked = requestAdmissionPatiently(ask, () => given.abort(), request);
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
  });
});

class MemoryStorage {
  readonly items = new Map<string, string>();
  get length(): number {
    return this.items.size;
  }
  key = (index: number) => [...this.items.keys()][index] ?? null;
  getItem = (key: string) => this.items.get(key) ?? null;
  setItem = (key: string, value: string) => void this.items.set(key, value);
  removeItem = (key: string) => void this.items.delete(key);
}

describe('identity', () => {
  const anna = { baseUrl: 'https://talk.example.org', room: '1234', displayName: 'Anna' };
  const kept = () => {
    const storage = new MemoryStorage() as unknown as Storage;
    keep(storage, anna, ADMISSION, 0);
    return storage;
  };
  const before = ADMISSION.expiresAt - 60_000;

  test('survives for the same server, room and name', () => {
    const recalled = { admission: ADMISSION, isFresh: true };
    expect(recall(kept(), anna, before)).toEqual(recalled);
    expect(recall(kept(), { ...anna, displayName: 'Bob' }, before)).toBeNull();
    expect(recall(kept(), { ...anna, room: '99' }, before)).toBeNull();
    expect(recall(kept(), { ...anna, baseUrl: 'https://other.example' }, before)).toBeNull();
  });

  test('is still worth showing after the end of its token, but not for ever', () => {
    const at = (ms: number) => recall(kept(), anna, ADMISSION.expiresAt + ms);
    expect(at(-29_000)?.isFresh).toBe(false);
    expect(at(3_600_000)?.isFresh).toBe(false);
    expect(at(13 * 3_600_000)).toBeNull();
  });

  test('is gone when forgotten, or when somebody wrote nonsense there', () => {
    const storage = kept();
    forget(storage, anna);
    expect(recall(storage, anna, before)).toBeNull();
    storage.setItem('talkpath:talk.example.org/1234/Anna', '{');
    expect(recall(storage, anna, before)).toBeNull();
    expect(recall(null, anna, before)).toBeNull();
  });

  test('of long ago goes when another one is kept, and what is not ours stays', () => {
    const storage = kept();
    storage.setItem('talkpath-page:name', 'Anna');
    const bob = { ...anna, displayName: 'Bob/2' };
    const later = ADMISSION.expiresAt + 24 * 3_600_000;
    keep(storage, bob, { ...ADMISSION, expiresAt: later }, later);
    expect(storage.length).toBe(2);
    expect(recall(storage, bob, later)).not.toBeNull();
  });
});

describe('a message that comes twice', () => {
  test('is known by its sender and its id', () => {
    const seen = new Seen();
    expect(seen.isNew('anna', '1')).toBe(true);
    expect(seen.isNew('bob', '1')).toBe(true);
    expect(seen.isNew('anna', '1')).toBe(false);
    expect(seen.isNew('anna', null)).toBe(true);
    expect(seen.isNew('anna', null)).toBe(true);
  });

  test('is forgotten after many others', () => {
    const seen = new Seen();
    for (let i = 0; i <= SEEN_MAX; i += 1) seen.isNew('anna', String(i));
    expect(seen.isNew('anna', String(SEEN_MAX))).toBe(false);
    expect(seen.isNew('anna', '0')).toBe(true);
  });
});

describe('what a hang-up means', () => {
  test.each([
    ['the server restarts', 503, 'draining', true, 'restart'],
    ['also without media', 503, 'draining', false, 'restart'],
    ['somebody decided', 200, 'script-hangup', true, 'decision'],
    ['nothing is said', 0, '', true, 'decision'],
    ['nothing is said, and there were no media', 0, '', false, 'fault'],
    ['no media came', 200, 'media-timeout', true, 'fault'],
    ['a scenario failed', 500, 'script-error', true, 'fault'],
    ['replaced', 200, 'replaced', false, 'decision'],
  ])('%s', (_, cause, word, works, wanted) => {
    expect(causeOf({ cause, word, text: '' }, works)).toBe(wanted);
  });

  const message = (headers: Record<string, string>, phrase: string, status?: number) => ({
    ...(status === undefined ? {} : { status_code: status }),
    reason_phrase: phrase,
    from: { uri: { user: '' }, display_name: '' },
    getHeader: (name: string) => headers[name],
  });

  test.each([
    [
      'SIP;cause=503;text="draining", Q.850;cause=41;text="The engine, \\"it\\", goes."',
      { cause: 503, word: 'draining', text: 'The engine, "it", goes.' },
    ],
    ['SIP ; cause=200 ; text="replaced"', { cause: 200, word: 'replaced', text: 'replaced' }],
    ['Q.850;cause=16;text="Bye; now"', { cause: 0, word: '', text: 'Bye; now' }],
    ['nonsense', { cause: 0, word: '', text: '' }],
    ['', { cause: 0, word: '', text: '' }],
  ])('is read from %s', (header, reason) => {
    expect(reasonOf(message({ Reason: header }, ''))).toEqual(reason);
  });

  test('is the phrase of a refusal, with its wait', () => {
    const headers = { Reason: 'SIP;cause=603;text="rejected"', 'Retry-After': '7 (soon)' };
    const refusal = message(headers, 'The conference is full', 486);
    expect(reasonOf(refusal).text).toBe('The conference is full');
    expect(retryAfterMs(refusal)).toBe(7_000);
    expect(retryAfterMs(null)).toBe(0);
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

  test('does not wait for an answer that a connection before this one owes', async () => {
    const outbox = new Outbox();
    const sent: string[] = [];
    outbox.connect((text) => {
      sent.push(text);
      return new Promise(() => undefined);
    });
    const taken = outbox.push('a');
    outbox.connect(null);
    outbox.connect(async (text) => {
      sent.push(`${text} again`);
      return 'ok';
    });
    await taken;
    expect(sent).toEqual(['a', 'a again']);
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
    const listed = ['+1', '+1', ''].map((callerId) => ({ id: '', callerId }));
    const first = matchPhones([], listed);
    expect(new Set(first.map(({ key }) => key)).size).toBe(3);
    expect(matchPhones(first, listed.slice(1))).toEqual([first[0], first[2]]);
  });

  test('a telephone with an id stays itself when another with its masked number leaves', () => {
    const listed = ['phone-1', 'phone-2'].map((id) => ({ id, callerId: '+316****678' }));
    const first = matchPhones([], listed);
    expect(matchPhones(first, listed.slice(1))).toEqual([first[1]]);
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
