/** The call with the conference itself: sound of the telephones, and the messages. */

import { type CallEnd, SAID_BY_SERVER } from './connection.js';
import {
  boundGathering,
  endSession,
  keepAfterLoss,
  onJson,
  type Reason,
  reasonOf,
  retryAfterMs,
  sendJson,
  type Session,
  type SessionEnd,
} from './jssip.js';
import type { LocalMedia } from './media.js';
import type { Outbox } from './outbox.js';

/** ICE that is disconnected that long is restarted. */
const DISCONNECTED_MS = 4_000;
/** A restart that has not helped by then is tried again. */
const RESTART_MS = 10_000;
/**
 * Restarts that have not helped by then mean a new call. What others write meanwhile arrives in the
 * old one, and is lost between the two; the server ends a call that it does not hear after a minute.
 */
const GIVE_UP_MS = 50_000;

/** A restart that JsSIP could not begin, and messages that were not taken, are tried after this. */
const AGAIN_MS = 1_000;

/** The word of a server that restarts. */
const DRAINING = 'draining';
/** Words by which the server says that something failed, and nobody decided anything. */
const FAILURES = new Set(['media-timeout', 'transaction-timeout', 'no-ack', 'peer-gone']);

export interface ConferenceCallHooks {
  onConnected: () => void;
  onEnded: (end: CallEnd) => void;
  onStream: (stream: MediaStream) => void;
  onJson: (json: string) => void;
  /** The media stopped (false) or came back (true) while the call goes on. */
  onMedia: (works: boolean) => void;
  /** Requests reach the server; when they do again, `resume` is called. */
  isLineUp: () => boolean;
}

export class ConferenceCall {
  readonly #media: LocalMedia;
  readonly #outbox: Outbox;
  readonly #hooks: ConferenceCallHooks;
  readonly #remote = new MediaStream();
  #session: Session | null = null;
  #connection: RTCPeerConnection | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #messagesTimer: ReturnType<typeof setTimeout> | undefined;
  #wasConfirmed = false;
  #works = false;
  /** When the first of the restarts began that have not helped. */
  #restartingSince: number | null = null;
  #isOver = false;

  constructor(media: LocalMedia, outbox: Outbox, hooks: ConferenceCallHooks) {
    this.#media = media;
    this.#outbox = outbox;
    this.#hooks = hooks;
  }

  attach(session: Session): void {
    this.#session = session;
    boundGathering(session);
    keepAfterLoss(session, () => this.restart());
    if (session.connection) this.#useConnection(session.connection);
    session.on('peerconnection', ({ peerconnection }) => this.#useConnection(peerconnection));
    session.on('confirmed', () => {
      this.#wasConfirmed = true;
      this.#resumeMessages();
      if (!this.#isOver) this.#hooks.onConnected();
    });
    session.on('ended', (end) => this.#end(end));
    session.on('failed', (end) => this.#end(end));
    onJson(session, (json) => {
      if (!this.#isOver) this.#hooks.onJson(json);
    });
  }

  /** The WebSocket is back: the dialog goes on over it, with new candidates. */
  resume(): void {
    this.#resumeMessages();
    this.#restartingSince = null;
    this.restart();
  }

  /**
   * ICE restart by re-INVITE (RFC 8839 §4.4.3.1), as often as it takes; a call that it does not save
   * ends. While the line is down nothing is tried and nothing ends.
   */
  restart(): void {
    clearTimeout(this.#timer);
    const session = this.#session;
    if (this.#isOver || session === null || !this.#hooks.isLineUp()) return;
    const now = performance.now();
    this.#restartingSince ??= now;
    if (now - this.#restartingSince >= GIVE_UP_MS) {
      this.#giveUp();
      return;
    }
    if (!session.isEstablished()) {
      this.#timer = setTimeout(() => this.#giveUp(), RESTART_MS);
      return;
    }
    const offer = { rtcOfferConstraints: { iceRestart: true } };
    const hasBegun = session.renegotiate(offer, () => {
      // A restart of ICE that never broke passes without a change of its state.
      if (!this.#isOver && this.#works) this.#mediaWorks();
    });
    // Without a beginning, an offer of before is still on its way.
    this.#timer = setTimeout(() => this.#tryAgain(hasBegun), hasBegun ? RESTART_MS : AGAIN_MS);
  }

  /** Ends the call without a word to the hooks. */
  hangUp(): void {
    const session = this.#session;
    this.#close();
    endSession(session);
  }

  #tryAgain(wasTried: boolean): void {
    if (!wasTried || !this.#works) this.restart();
  }

  #resumeMessages(): void {
    const session = this.#session;
    if (session === null) return;
    this.#outbox.connect(async (text, number) => {
      const result = await sendJson(session, text, number);
      if (this.#isOver) return 'lost';
      if (result === 'gone') this.#giveUp();
      clearTimeout(this.#messagesTimer);
      if (result === 'lost') {
        this.#messagesTimer = setTimeout(() => this.#resumeMessages(), AGAIN_MS);
      }
      return result;
    });
  }

  #useConnection(connection: RTCPeerConnection): void {
    if (this.#connection === connection) return;
    this.#connection = connection;
    connection.addEventListener('track', ({ track }) => {
      this.#remote.addTrack(track);
      this.#hooks.onStream(this.#remote);
    });
    connection.addEventListener('iceconnectionstatechange', () => this.#iceChanged(connection));
    const streams = [this.#media.stream];
    const { sender } = connection.addTransceiver('audio', { direction: 'sendrecv', streams });
    this.#media.feed(sender, 'audio');
  }

  #iceChanged(connection: RTCPeerConnection): void {
    if (this.#isOver) return;
    const state = connection.iceConnectionState;
    // Not asked of the connection later: JsSIP closes it before it says that the call has ended.
    this.#works = state === 'connected' || state === 'completed';
    if (this.#works) this.#mediaWorks();
    else if (state === 'disconnected') {
      this.#hooks.onMedia(false);
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.restart(), DISCONNECTED_MS);
    }
  }

  #mediaWorks(): void {
    clearTimeout(this.#timer);
    this.#restartingSince = null;
    this.#hooks.onMedia(true);
  }

  #giveUp(): void {
    if (this.#isOver) return;
    this.hangUp();
    this.#hooks.onEnded({ cause: 'fault', code: 0, word: '', text: '', retryAfterMs: 0 });
  }

  #end(end: SessionEnd): void {
    if (this.#isOver) return;
    const code = this.#wasConfirmed ? 0 : (end.message?.status_code ?? 0);
    const reason = reasonOf(end.message);
    const isHangup = end.originator === 'remote' && this.#wasConfirmed;
    const cause = isHangup ? causeOf(reason, this.#works) : causeOfRefusal(reason);
    this.#close();
    const { word, text } = reason;
    this.#hooks.onEnded({ cause, code, word, text, retryAfterMs: retryAfterMs(end.message) });
  }

  #close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#messagesTimer);
    this.#outbox.connect(null);
    if (this.#connection) this.#media.release(this.#connection);
  }
}

/**
 * What a BYE means to the one who is hung up on. Of a call without media it says little: the server
 * ends those by itself.
 */
export function causeOf({ cause, word }: Reason, works: boolean): CallEnd['cause'] {
  if (SAID_BY_SERVER.has(word)) return 'decision';
  if (word === DRAINING) return 'restart';
  const isFailure = cause >= 500 || FAILURES.has(word);
  return works && !isFailure ? 'decision' : 'fault';
}

function causeOfRefusal({ word }: Reason): CallEnd['cause'] {
  return word === DRAINING ? 'restart' : 'fault';
}
