/** The call with the conference itself: sound of the telephones, and the messages. */

import {
  boundGathering,
  endSession,
  keepAfterIceFailure,
  onJson,
  reasonText,
  sendJson,
  type Session,
  type SessionEnd,
} from './jssip.js';
import type { LocalMedia } from './media.js';
import type { Outbox } from './outbox.js';

/** ICE that is disconnected that long is restarted. */
const DISCONNECTED_MS = 4_000;
/** A restart that has not helped by then means a new call. */
const RESTART_MS = 10_000;

export interface CallEnd {
  /** SIP status of the refusal; 0 when the call was up and ended, or the network was lost. */
  code: number;
  text: string;
  /** True when the other side ended a call whose media worked. */
  wasWorking: boolean;
  byRemote: boolean;
}

export interface ConferenceCallHooks {
  onConnected: () => void;
  onEnded: (end: CallEnd) => void;
  onStream: (stream: MediaStream) => void;
  onJson: (json: string) => void;
  /** The media stopped (false) or came back (true) while the call goes on. */
  onMedia: (works: boolean) => void;
}

export class ConferenceCall {
  readonly #media: LocalMedia;
  readonly #outbox: Outbox;
  readonly #hooks: ConferenceCallHooks;
  readonly #remote = new MediaStream();
  #session: Session | null = null;
  #connection: RTCPeerConnection | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wasConfirmed = false;
  #works = false;
  #isOver = false;

  constructor(media: LocalMedia, outbox: Outbox, hooks: ConferenceCallHooks) {
    this.#media = media;
    this.#outbox = outbox;
    this.#hooks = hooks;
  }

  attach(session: Session): void {
    this.#session = session;
    boundGathering(session);
    keepAfterIceFailure(session, () => this.restart());
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
    this.restart();
  }

  /** ICE restart by re-INVITE (RFC 8839 §4.4.3.1); a call that it does not save ends. */
  restart(): void {
    const session = this.#session;
    if (this.#isOver || session === null) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (!this.#works) this.#giveUp();
    }, RESTART_MS);
    if (!session.isEstablished()) return;
    session.renegotiate({ rtcOfferConstraints: { iceRestart: true } }, () => {
      // A restart of ICE that never broke passes without a change of its state.
      if (!this.#isOver && this.#works) this.#mediaWorks();
    });
  }

  /** Ends the call without a word to the hooks. */
  hangUp(): void {
    const session = this.#session;
    this.#close();
    endSession(session);
  }

  #resumeMessages(): void {
    const session = this.#session;
    if (session) this.#outbox.connect((text, number) => sendJson(session, text, number));
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
    this.#hooks.onMedia(true);
  }

  #giveUp(): void {
    if (this.#isOver) return;
    this.hangUp();
    this.#hooks.onEnded({ code: 0, text: '', wasWorking: false, byRemote: false });
  }

  #end(end: SessionEnd): void {
    if (this.#isOver) return;
    const wasWorking = this.#wasConfirmed && this.#works;
    this.#close();
    const byRemote = end.originator === 'remote';
    const code = this.#wasConfirmed ? 0 : (end.message?.status_code ?? 0);
    this.#hooks.onEnded({ code, text: reasonText(end.message), wasWorking, byRemote });
  }

  #close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#outbox.connect(null);
    if (this.#connection) this.#media.release(this.#connection);
  }
}
