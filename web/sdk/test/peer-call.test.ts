import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Session } from '../src/jssip.js';
import type { LocalMedia } from '../src/media.js';
import { CHECKING_MS, PeerCall } from '../src/peer-call.js';

/** A connection as the call sees it: a state that changes, and no media. */
class Connection extends EventTarget {
  iceConnectionState = 'new';
  getSenders = () => [];
  addTransceiver = () => ({ sender: {} });

  become(state: string): void {
    this.iceConnectionState = state;
    this.dispatchEvent(new Event('iceconnectionstatechange'));
  }
}

function placedCall() {
  const listeners = new Map<string, () => void>();
  const connection = new Connection();
  const session = {
    connection,
    isEstablished: () => false,
    terminate: () => undefined,
    on: (name: string, listener: () => void) => listeners.set(name, listener),
  } as unknown as Session;
  const media = { stream: null, feed: () => undefined, sent: {} } as unknown as LocalMedia;
  const [onIceFailed, onNothing] = [vi.fn(), () => undefined];
  const call = new PeerCall(media, {
    onConnected: onNothing,
    onIceFailed,
    onEnded: onNothing,
    onDetached: onNothing,
    onStream: onNothing,
    onSends: onNothing,
  });
  call.attach(session, 'placed');
  return { connection, onIceFailed, confirm: () => listeners.get('confirmed')?.() };
}

describe('a direct call', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('MediaStream', class {});
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  test('has failed when its checks find nothing', () => {
    const { connection, onIceFailed, confirm } = placedCall();
    confirm();
    connection.become('checking');
    vi.advanceTimersByTime(CHECKING_MS);
    expect(onIceFailed).toHaveBeenCalledOnce();
  });

  test('has failed as soon when there is nothing to check', () => {
    const { onIceFailed, confirm } = placedCall();
    confirm();
    vi.advanceTimersByTime(CHECKING_MS);
    expect(onIceFailed).toHaveBeenCalledOnce();
  });

  test('that is connected before it is confirmed is left alone', () => {
    const { connection, onIceFailed, confirm } = placedCall();
    connection.become('checking');
    connection.become('connected');
    confirm();
    vi.advanceTimersByTime(10 * CHECKING_MS);
    expect(onIceFailed).not.toHaveBeenCalled();
  });
});
