import { C } from 'jssip';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ConferenceCall } from '../src/conference-call.js';
import type { Session } from '../src/jssip.js';
import type { LocalMedia } from '../src/media.js';
import { Outbox } from '../src/outbox.js';

/** The ends that JsSIP comes to by itself. */
const { CONNECTION_ERROR, RTP_TIMEOUT, WEBRTC_ERROR } = C.causes;

class FakeConnection extends EventTarget {
  iceConnectionState = 'new';
  addTransceiver = () => ({ sender: {} });
  change(state: string): void {
    this.iceConnectionState = state;
    this.dispatchEvent(new Event('iceconnectionstatechange'));
  }
}

/** A call that is up, and what it does: offers, hang-ups, and what the hooks are told. */
function upCall() {
  const log: string[] = [];
  const world = { isLineUp: true, answers: true, isEstablished: false };
  const listeners = new Map<string, (event?: object) => void>();
  const connection = new FakeConnection();
  let isPending = false;
  const session = {
    connection,
    isEstablished: () => world.isEstablished,
    isEnded: () => false,
    on: (name: string, listener: (event?: object) => void) => listeners.set(name, listener),
    terminate: () => log.push('bye'),
    renegotiate: (_: object, done: () => void) => {
      if (isPending) return false;
      log.push('offer');
      if (world.answers) done();
      else isPending = true;
      return true;
    },
  };
  const media = { stream: null, feed: () => undefined, release: () => undefined };
  const call = new ConferenceCall(media as unknown as LocalMedia, new Outbox(), {
    onConnected: () => log.push('connected'),
    onEnded: ({ cause }) => log.push(`ended ${cause}`),
    onStream: () => undefined,
    onJson: () => undefined,
    onMedia: (works) => log.push(works ? 'media' : 'no media'),
    isLineUp: () => world.isLineUp,
  });
  call.attach(session as unknown as Session);
  const confirm = (): void => {
    world.isEstablished = true;
    listeners.get('confirmed')?.();
    connection.change('connected');
  };
  const end = (cause: string): void => (session.terminate as (options: object) => void)({ cause });
  /** What has happened since it was asked last. */
  const news = (): string => log.splice(0).join(', ');
  const line = (isUp: boolean): void => {
    world.isLineUp = isUp;
    if (isUp) call.resume();
    else isPending = false;
  };
  return { call, connection, world, confirm, end, news, line };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('MediaStream', class {});
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('a call with the conference whose network is gone', () => {
  const started = () => {
    const it = upCall();
    it.confirm();
    expect(it.news()).toBe('connected, media');
    it.world.answers = false;
    return it;
  };

  test('is kept for as long as the line is down, and goes on over the next one', () => {
    const { connection, end, line, news, world } = started();
    connection.change('disconnected');
    vi.advanceTimersByTime(4_000);
    expect(news()).toBe('no media, offer');
    vi.advanceTimersByTime(4_000);
    // JsSIP ends what waits for an answer when the WebSocket closes.
    line(false);
    end(CONNECTION_ERROR);
    connection.change('failed');
    end(RTP_TIMEOUT);
    vi.advanceTimersByTime(60_000);
    expect(news()).toBe('');
    world.answers = true;
    line(true);
    expect(news()).toBe('offer');
    connection.change('connected');
    vi.advanceTimersByTime(100_000);
    expect(news()).toBe('media');
  });

  test('waits for the line before it offers anything', () => {
    const { connection, line, news } = started();
    line(false);
    connection.change('disconnected');
    vi.advanceTimersByTime(20_000);
    expect(news()).toBe('no media');
    line(true);
    expect(news()).toBe('offer');
  });

  test('tries again while the line works, and is given up in the end', () => {
    const { connection, news, world } = started();
    world.answers = true;
    connection.change('disconnected');
    vi.advanceTimersByTime(4_000 + 49_000);
    expect(news()).toBe('no media, offer, offer, offer, offer, offer');
    vi.advanceTimersByTime(2_000);
    expect(news()).toBe('bye, ended fault');
    vi.advanceTimersByTime(100_000);
    expect(news()).toBe('');
  });

  test('is not given up sooner for losses that were mended', () => {
    const { connection, news, world } = started();
    world.answers = true;
    for (let loss = 0; loss < 5; loss += 1) {
      connection.change('disconnected');
      vi.advanceTimersByTime(30_000);
      connection.change('connected');
      vi.advanceTimersByTime(30_000);
      expect(news()).toBe('no media, offer, offer, offer, media');
    }
  });

  test('is given up when no offer is ever answered', () => {
    const { connection, news } = started();
    connection.change('disconnected');
    vi.advanceTimersByTime(60_000);
    expect(news()).toBe('no media, offer, bye, ended fault');
  });
});

test('a call that is not answered yet is not kept', () => {
  const { call, end, news } = upCall();
  end(CONNECTION_ERROR);
  expect(news()).toBe('bye');
  call.restart();
  vi.advanceTimersByTime(10_000);
  expect(news()).toBe('bye, ended fault');
});

test('a call whose offer is refused ends', () => {
  const { confirm, end, news } = upCall();
  confirm();
  news();
  end(WEBRTC_ERROR);
  expect(news()).toBe('bye');
});
