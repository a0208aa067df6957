/**
 * One direct call with another browser: its connection, its streams, and what each side says it
 * sends.
 */

import {
  boundGathering,
  endSession,
  keepAfterLoss,
  onJson,
  sendJson,
  type Session,
} from './jssip.js';
import { type LocalMedia, videoBitrate } from './media.js';
import { parseSentMedia, writeSentMedia } from './messages.js';
import { Outbox } from './outbox.js';
import type { SentMedia } from './types.js';

/**
 * Checks that have found no way by then find none: browsers go on for 15 s, and nobody is heard
 * meanwhile.
 */
export const CHECKING_MS = 6_000;
/** ICE that is disconnected that long does not come back by itself. */
const DISCONNECTED_MS = 5_000;

export interface PeerCallHooks {
  onConnected: () => void;
  onIceFailed: () => void;
  onEnded: () => void;
  /** The server does not know the call any more, although its media may still flow. */
  onDetached: () => void;
  onStream: (stream: MediaStream) => void;
  onSends: (sends: SentMedia) => void;
}

export class PeerCall {
  readonly stream = new MediaStream();
  readonly #media: LocalMedia;
  readonly #hooks: PeerCallHooks;
  readonly #outbox = new Outbox();
  #session: Session | null = null;
  #connection: RTCPeerConnection | null = null;
  #lostTimer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;
  /** What we send is on its way to the other side. */
  #isAnnouncing = false;
  #peers = 1;

  constructor(media: LocalMedia, hooks: PeerCallHooks) {
    this.#media = media;
    this.#hooks = hooks;
  }

  /** Takes a session in before anything has happened on it, so that no event is missed. */
  attach(session: Session, direction: 'placed' | 'received'): void {
    this.#session = session;
    boundGathering(session);
    keepAfterLoss(session, () => this.#iceFailed());
    session.on('peerconnection', ({ peerconnection }) => {
      this.#useConnection(peerconnection, direction);
    });
    if (session.connection) this.#useConnection(session.connection, direction);
    session.on('confirmed', () => {
      this.#expectChecks();
      this.resume();
    });
    session.on('ended', () => this.#end());
    session.on('failed', () => this.#end());
    onJson(session, (json) => {
      const sends = parseSentMedia(json);
      if (sends && !this.#isOver) this.#hooks.onSends(sends);
    });
  }

  /** The call is up, or the WebSocket is back: a first request makes it go on over that. */
  resume(): void {
    const session = this.#session;
    if (session === null || !session.isEstablished()) return;
    this.#outbox.connect(async (text, number) => {
      const result = await sendJson(session, text, number);
      if (result === 'gone' && !this.#isOver) this.#hooks.onDetached();
      return result;
    });
    this.announce();
  }

  /** Tells the other side what we send, as it is when the text goes out. */
  announce(): void {
    if (this.#isAnnouncing) return;
    this.#isAnnouncing = true;
    const sent = writeSentMedia(this.#media.sent);
    const again = (): void => {
      this.#isAnnouncing = false;
      if (writeSentMedia(this.#media.sent) !== sent) this.announce();
    };
    this.#outbox.push(sent).then(again, () => undefined);
  }

  /** Ends the call without a word to the hooks. */
  hangUp(): void {
    const session = this.#session;
    this.#close();
    endSession(session);
  }

  /** Shares the uplink among `peers` pictures. */
  setPeers(peers: number): void {
    this.#peers = peers;
    for (const sender of this.#connection?.getSenders() ?? []) {
      if (sender.track?.kind === 'video') void limitBitrate(sender, videoBitrate(peers));
    }
  }

  #useConnection(connection: RTCPeerConnection, direction: 'placed' | 'received'): void {
    if (this.#connection === connection) return;
    this.#connection = connection;
    connection.addEventListener('track', ({ track }) => {
      this.stream.addTrack(track);
      this.#hooks.onStream(this.stream);
    });
    connection.addEventListener('iceconnectionstatechange', () => this.#iceChanged(connection));
    if (direction === 'placed') {
      // Both lines from the start, so that camera and screen come and go without a new offer.
      for (const kind of ['audio', 'video'] as const) {
        const streams = [this.#media.stream];
        const { sender } = connection.addTransceiver(kind, { direction: 'sendrecv', streams });
        this.#media.feed(sender, kind);
      }
      return;
    }
    connection.addEventListener('signalingstatechange', () => {
      if (connection.signalingState === 'have-remote-offer') this.#answerEverything(connection);
    });
  }

  #answerEverything(connection: RTCPeerConnection): void {
    for (const transceiver of connection.getTransceivers()) {
      if (transceiver.currentDirection === 'stopped') continue;
      transceiver.direction = 'sendrecv';
      const kind = transceiver.receiver.track.kind === 'video' ? 'video' : 'audio';
      (transceiver.sender as { setStreams?: (s: MediaStream) => void }).setStreams?.(
        this.#media.stream,
      );
      this.#media.feed(transceiver.sender, kind);
    }
  }

  /** Chromium stays at `new` when the two sides have no pair of addresses to check. */
  #expectChecks(): void {
    if (this.#isOver || this.#connection?.iceConnectionState !== 'new') return;
    clearTimeout(this.#lostTimer);
    this.#lostTimer = setTimeout(() => this.#iceFailed(), CHECKING_MS);
  }

  #iceChanged(connection: RTCPeerConnection): void {
    clearTimeout(this.#lostTimer);
    const state = connection.iceConnectionState;
    if (this.#isOver) return;
    if (state === 'connected' || state === 'completed') {
      this.#hooks.onConnected();
      this.setPeers(this.#peers);
    } else if (state === 'checking') {
      this.#lostTimer = setTimeout(() => this.#iceFailed(), CHECKING_MS);
    } else if (state === 'disconnected') {
      this.#lostTimer = setTimeout(() => this.#iceFailed(), DISCONNECTED_MS);
    }
  }

  #iceFailed(): void {
    clearTimeout(this.#lostTimer);
    if (!this.#isOver) this.#hooks.onIceFailed();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#close();
    this.#hooks.onEnded();
  }

  #close(): void {
    this.#isOver = true;
    clearTimeout(this.#lostTimer);
    this.#outbox.close();
    if (this.#connection) this.#media.release(this.#connection);
  }
}

async function limitBitrate(sender: RTCRtpSender, bitrateBps: number): Promise<void> {
  const parameters = sender.getParameters();
  const encoding = parameters.encodings[0];
  if (!encoding || encoding.maxBitrate === bitrateBps) return;
  encoding.maxBitrate = bitrateBps;
  // A connection that closes meanwhile refuses, and needs no limit.
  await sender.setParameters(parameters).catch(() => undefined);
}
