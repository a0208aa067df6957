import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Backoff } from '../src/backoff.js';
import { SignalSocket, type SocketHooks } from '../src/socket.js';

class FakeWebSocket {
  onopen: (() => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  binaryType = '';
  isClosed = false;
  sent: unknown[] = [];
  constructor(readonly url: string) {}
  send(data: unknown): void {
    this.sent.push(data);
  }
  close(): void {
    this.isClosed = true;
  }
}

let sockets: FakeWebSocket[];
let failed: number[];
let token: number;

function newSocket(hooks: Partial<SocketHooks> = {}) {
  const socket = new SignalSocket('wss://talk.example.org/sip?token=secret', {
    url: async () => `wss://talk.example.org/sip?token=${(token += 1)}`,
    onAttemptFailed: (attempts) => failed.push(attempts),
    connect: (url) => {
      const fake = new FakeWebSocket(url);
      sockets.push(fake);
      return fake as unknown as WebSocket;
    },
    random: () => 1,
    ...hooks,
  });
  const events: string[] = [];
  socket.onconnect = () => events.push('up');
  socket.ondisconnect = () => events.push('down');
  socket.ondata = (data) => events.push(`data ${String(data)}`);
  return { socket, events };
}

const last = () => sockets.at(-1) as FakeWebSocket;
const open = () => last().onopen?.();

beforeEach(() => {
  vi.useFakeTimers();
  [sockets, failed, token] = [[], [], 0];
});
afterEach(() => vi.useRealTimers());

describe('connecting', () => {
  test('asks for a fresh URL each time, and does not keep a token where it is logged', async () => {
    const { socket } = newSocket();
    socket.connect();
    await vi.advanceTimersByTimeAsync(0);
    last().onclose?.({ code: 1006 });
    await vi.advanceTimersByTimeAsync(500);
    expect(sockets.map(({ url }) => new URL(url).searchParams.get('token'))).toEqual(['1', '2']);
    expect(socket.url).not.toContain('secret');
    expect(socket.sip_uri).toBe('sip:talk.example.org;transport=ws');
    expect(socket.via_transport).toBe('WSS');
  });

  test('tries again after growing waits, and JsSIP asking in between changes nothing', async () => {
    const { socket, events } = newSocket();
    socket.connect();
    await vi.advanceTimersByTimeAsync(0);
    for (const wait of [500, 1000, 2000, 4000, 5000, 5000]) {
      const count = sockets.length;
      last().onclose?.({ code: 1006 });
      socket.connect();
      await vi.advanceTimersByTimeAsync(wait - 1);
      expect(sockets).toHaveLength(count);
      await vi.advanceTimersByTimeAsync(1);
      expect(sockets).toHaveLength(count + 1);
    }
    expect(failed).toEqual([1, 2, 3, 4, 5, 6]);
    expect(events).toEqual([]);
    open();
    expect(events).toEqual(['up']);
  });

  test('an attempt that hangs is given up', async () => {
    const { socket } = newSocket();
    socket.connect();
    await vi.advanceTimersByTimeAsync(8_000 + 500);
    expect(sockets).toHaveLength(2);
    expect(sockets[0]?.isClosed).toBe(true);
  });

  test('a network that is back ends the wait', async () => {
    const { socket } = newSocket();
    socket.connect();
    await vi.advanceTimersByTimeAsync(0);
    for (const wait of [500, 1000, 2000]) {
      last().onclose?.({ code: 1006 });
      await vi.advanceTimersByTimeAsync(wait);
    }
    last().onclose?.({ code: 1006 });
    socket.hurry();
    await vi.advanceTimersByTimeAsync(0);
    expect(sockets).toHaveLength(5);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(sockets).toHaveLength(5);
  });

  test('a refused URL counts as a failed attempt', async () => {
    const { socket } = newSocket({ url: () => Promise.reject(new Error('expired')) });
    socket.connect();
    await vi.advanceTimersByTimeAsync(500);
    expect(failed).toEqual([1, 2]);
  });
});

describe('an open connection', () => {
  test('that breaks is reported once and opened again', async () => {
    const { socket, events } = newSocket();
    socket.connect();
    await vi.advanceTimersByTimeAsync(0);
    open();
    last().onmessage?.({ data: 'SIP/2.0 200 OK' });
    last().onclose?.({ code: 1006 });
    await vi.advanceTimersByTimeAsync(500);
    expect(socket.isConnected()).toBe(false);
    open();
    expect(events).toEqual(['up', 'data SIP/2.0 200 OK', 'down', 'up']);
  });

  test('that died in silence is noticed by its missing answers to pings', async () => {
    const { socket, events } = newSocket();
    socket.connect();
    await vi.advanceTimersByTimeAsync(0);
    open();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(last().sent).toEqual(['\r\n\r\n']);
    last().onmessage?.({ data: '\r\n' });
    await vi.advanceTimersByTimeAsync(10_000 + 6_000);
    expect(events).toEqual(['up', 'data \r\n', 'down']);
  });

  test('to a server that never answers pings stays open', async () => {
    const { socket, events } = newSocket();
    socket.connect();
    await vi.advanceTimersByTimeAsync(0);
    open();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(events).toEqual(['up']);
  });

  test('that we close stays closed', async () => {
    const { socket, events } = newSocket();
    socket.connect();
    await vi.advanceTimersByTimeAsync(0);
    open();
    socket.disconnect();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
    expect(events).toEqual(['up']);
    expect(socket.send('x')).toBe(false);
  });
});

test('waits are spread between half a step and a whole one', () => {
  const limits = { firstMs: 1000, longestMs: 4000 };
  const low = new Backoff(limits, () => 0);
  const high = new Backoff(limits, () => 1);
  expect([1, 2, 3, 4].map(() => low.next())).toEqual([500, 1000, 2000, 2000]);
  expect([1, 2, 3, 4].map(() => high.next())).toEqual([1000, 2000, 4000, 4000]);
  high.reset();
  expect(high.next()).toBe(1000);
});
