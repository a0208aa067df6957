/** Our registration at the server over one WebSocket, and the calls over it. */

import type { Admission } from './api.js';
import { newUserAgent, plainText, type Session, type UserAgent } from './jssip.js';
import { SignalSocket } from './socket.js';
import type { ReconnectCause } from './types.js';

/** A registration that the server could not take just now is sent again after this. */
const REGISTER_AGAIN_MS = 5_000;

/** The server restarts (the registry of RFC 6455 §11.7). */
const SERVICE_RESTART = 1012;

const CALL_OPTIONS = { mediaConstraints: { audio: false, video: false } };

export interface LineHooks {
  /** Registered; calls can be made and received. */
  onUp: () => void;
  onDown: (cause: ReconnectCause) => void;
  /** The server does not accept our token. */
  onRefused: (code: number) => void;
  onAttemptFailed: (attempts: number) => void;
  onIncoming: (session: Session, from: string) => void;
}

export class Line {
  readonly #ua: UserAgent;
  readonly #socket: SignalSocket;
  readonly #domain: string;
  readonly #iceServers: RTCIceServer[];
  readonly #hooks: LineHooks;
  #url: string;
  #isUp = false;
  #isOver = false;

  constructor(admission: Admission, iceServers: RTCIceServer[], hooks: LineHooks) {
    this.#hooks = hooks;
    this.#domain = admission.domain;
    this.#iceServers = iceServers;
    this.#url = admission.websocketUrl;
    this.#socket = new SignalSocket(admission.websocketUrl, {
      url: async () => this.#url,
      onAttemptFailed: (attempts) => hooks.onAttemptFailed(attempts),
    });
    this.#ua = newUserAgent({
      sockets: this.#socket,
      uri: `sip:${admission.username}@${admission.domain}`,
      display_name: plainText(admission.displayName),
      // For a server that asks in spite of the token in the URL.
      password: admission.token,
      session_timers: false,
      register: true,
      user_agent: 'talkpath-web',
    });
    this.#listen();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  start(): void {
    this.#ua.start();
  }

  /** Unregisters and closes; calls should be hung up before. */
  stop(): void {
    this.#isOver = true;
    this.#isUp = false;
    this.#ua.stop();
  }

  /** Goes on with a new token of the same user, which is for the next connection. */
  renew(admission: Admission): void {
    this.#url = admission.websocketUrl;
    this.#ua.set('password', admission.token);
    if (this.#isUp) return;
    this.#registerAgain();
    this.#socket.hurry();
  }

  /** Tries to connect now, if it is waiting to. */
  hurry(): void {
    this.#socket.hurry();
  }

  /** Calls a user of the server's domain. The session has sent nothing yet when this returns. */
  call(user: string, extraHeaders: string[]): Session {
    const target = `sip:${encodeURIComponent(user)}@${this.#domain}`;
    const pcConfig = { iceServers: this.#iceServers };
    const options = { ...CALL_OPTIONS, extraHeaders, pcConfig };
    return this.#ua.call(target, options);
  }

  answer(session: Session): void {
    session.answer({ ...CALL_OPTIONS, pcConfig: { iceServers: this.#iceServers } });
  }

  #listen(): void {
    this.#ua.on('registered', () => {
      if (this.#isUp || this.#isOver) return;
      this.#isUp = true;
      this.#hooks.onUp();
    });
    this.#ua.on('disconnected', ({ code }) => {
      this.#down(code === SERVICE_RESTART ? 'restart' : 'network');
    });
    this.#ua.on('registrationFailed', ({ response }) => {
      if (this.#isOver) return;
      const code = response?.status_code ?? 0;
      if (code === 401 || code === 403 || code === 407) this.#hooks.onRefused(code);
      else setTimeout(() => this.#registerAgain(), REGISTER_AGAIN_MS);
    });
    this.#ua.on('newRTCSession', (event) => {
      if (event.originator !== 'remote' || this.#isOver) return;
      this.#hooks.onIncoming(event.session, event.request.from.uri.user);
    });
  }

  #down(cause: ReconnectCause): void {
    if (this.#isOver) return;
    this.#isUp = false;
    this.#hooks.onDown(cause);
  }

  #registerAgain(): void {
    if (!this.#isOver && !this.#isUp && this.#ua.isConnected()) this.#ua.register();
  }
}
