/**
 * The WebSocket under JsSIP: opens again by itself, with waits that grow, asks for its URL each
 * time, and notices a network that died without a word (RFC 7118; keepalive of RFC 5626 §4.4.1).
 *
 * JsSIP's own WebSocket shows its URL to the library and its logs, but ours carries a token.
 */

import { Backoff } from './backoff.js';

const PING = '\r\n\r\n';
const PONG = '\r\n';
const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 6_000;
const OPEN_WITHIN_MS = 8_000;
/** A timer that is later than this: the page did not run. */
const LATE_MS = 1_000;
const BACKOFF = { firstMs: 500, longestMs: 5_000 };

export interface SocketHooks {
  /** The URL for the next attempt; a rejection counts as a failed attempt. */
  url: () => Promise<string>;
  /** An attempt failed; `attempts` since the connection was last open. */
  onAttemptFailed: (attempts: number) => void;
  connect?: (url: string) => WebSocket;
  random?: () => number;
}

/** The interface is JsSIP's `Socket`; hence the names. */
export class SignalSocket {
  readonly via_transport: string;
  readonly sip_uri: string;
  readonly url: string;

  onconnect: () => void = () => undefined;
  ondisconnect: (error: boolean, code?: number, reason?: string) => void = () => undefined;
  ondata: (data: unknown) => void = () => undefined;

  readonly #hooks: SocketHooks;
  readonly #backoff: Backoff;
  #socket: WebSocket | null = null;
  #isWanted = false;
  #isOpen = false;
  /** Some servers do not answer pings; only one that did is expected to go on. */
  #answersPings = false;
  #retryTimer: ReturnType<typeof setTimeout> | null = null;
  #openTimer: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setInterval> | undefined;
  #pongTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(firstUrl: string, hooks: SocketHooks) {
    const { protocol, host, origin, pathname } = new URL(firstUrl);
    this.url = origin === 'null' ? `${protocol}//${host}${pathname}` : origin + pathname;
    this.via_transport = protocol === 'wss:' ? 'WSS' : 'WS';
    this.sip_uri = `sip:${host};transport=ws`;
    this.#hooks = hooks;
    this.#backoff = new Backoff(BACKOFF, hooks.random);
  }

  connect(): void {
    // JsSIP has a timer of its own for this; ours is at work already.
    if (this.#isWanted) return;
    this.#isWanted = true;
    this.#backoff.reset();
    void this.#open();
  }

  disconnect(): void {
    this.#isWanted = false;
    this.#clearRetry();
    this.#drop();
  }

  isConnected(): boolean {
    return this.#isOpen;
  }

  isConnecting(): boolean {
    return this.#isWanted && !this.#isOpen;
  }

  send(message: string | ArrayBufferLike | Blob | ArrayBufferView): boolean {
    if (this.#socket === null || !this.#isOpen) return false;
    this.#socket.send(message as string);
    return true;
  }

  /** The network is said to be back: tries at once instead of waiting. */
  hurry(): void {
    if (this.#isOpen) this.#ping();
    else if (this.#isWanted && this.#retryTimer !== null) {
      this.#clearRetry();
      this.#backoff.reset();
      void this.#open();
    }
  }

  async #open(): Promise<void> {
    let url: string;
    try {
      url = await this.#hooks.url();
    } catch {
      this.#failed();
      return;
    }
    if (!this.#isWanted || this.#socket !== null) return;
    const connect = this.#hooks.connect ?? ((to: string) => new WebSocket(to, 'sip'));
    const socket = connect(url);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#openTimer = setTimeout(() => this.#lost(socket), OPEN_WITHIN_MS);
    socket.onopen = () => this.#opened(socket);
    socket.onclose = ({ code }) => this.#lost(socket, code);
    socket.onmessage = (event) => this.#received(socket, event.data);
  }

  #opened(socket: WebSocket): void {
    if (socket !== this.#socket) return;
    clearTimeout(this.#openTimer);
    this.#isOpen = true;
    this.#backoff.reset();
    this.#pingTimer = setInterval(() => this.#ping(), PING_EVERY_MS);
    this.onconnect();
  }

  #received(socket: WebSocket, data: unknown): void {
    if (socket !== this.#socket) return;
    clearTimeout(this.#pongTimer);
    this.#pongTimer = undefined;
    if (data === PONG) this.#answersPings = true;
    this.ondata(data);
  }

  #ping(): void {
    const socket = this.#socket;
    if (socket === null) return;
    socket.send(PING);
    if (this.#answersPings && this.#pongTimer === undefined) this.#expectPong(socket);
  }

  #expectPong(socket: WebSocket): void {
    const lateAt = performance.now() + PONG_WITHIN_MS + LATE_MS;
    this.#pongTimer = setTimeout(() => {
      // The page was busy or slept: what arrived meanwhile has not been read yet.
      if (performance.now() > lateAt) this.#expectPong(socket);
      else this.#lost(socket);
    }, PONG_WITHIN_MS);
  }

  #lost(socket: WebSocket, code = 1006): void {
    if (socket !== this.#socket) return;
    const wasOpen = this.#isOpen;
    this.#drop();
    if (wasOpen) this.ondisconnect(true, code, 'connection lost');
    this.#failed();
  }

  #failed(): void {
    if (!this.#isWanted) return;
    const wait = this.#backoff.next();
    this.#clearRetry();
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = null;
      void this.#open();
    }, wait);
    this.#hooks.onAttemptFailed(this.#backoff.attempts);
  }

  #drop(): void {
    clearTimeout(this.#openTimer);
    clearInterval(this.#pingTimer);
    clearTimeout(this.#pongTimer);
    this.#pongTimer = undefined;
    this.#isOpen = false;
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onopen = socket.onclose = socket.onmessage = null;
    socket.close();
  }

  #clearRetry(): void {
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
  }
}
