/**
 * The door to JsSIP: the parts of it that we use, with types that say what they really are, and the
 * places where its behaviour has to be bent.
 */

import { C, UA } from 'jssip';
import type { SendResult } from './outbox.js';

export interface SipMessage {
  status_code?: number;
  reason_phrase?: string;
  from: { uri: { user: string }; display_name: string };
  getHeader(name: string): string | undefined;
}

/** The two parts of a Reason header of the engine. */
export interface Reason {
  /** A SIP status; 0 when none is given. */
  cause: number;
  /** For programs; empty when there is none. */
  word: string;
  /** For people. */
  text: string;
}

export interface SessionEnd {
  originator: 'local' | 'remote' | 'system';
  message: SipMessage | null;
  cause: string;
}

interface RequestHandlers {
  onSuccessResponse?: () => void;
  onErrorResponse?: () => void;
  onTransportError?: () => void;
  onRequestTimeout?: () => void;
  onDialogError?: () => void;
}

/** An INVITE dialog of JsSIP. */
export interface Session {
  readonly connection: RTCPeerConnection | null;
  isEstablished(): boolean;
  isEnded(): boolean;
  answer(options: object): void;
  terminate(options?: { status_code?: number; cause?: string; reason_phrase?: string }): void;
  renegotiate(options: object, done?: () => void): boolean;
  sendRequest(
    method: string,
    options: { extraHeaders: string[]; body: string; eventHandlers: RequestHandlers },
  ): void;
  on(name: 'peerconnection', listener: (e: { peerconnection: RTCPeerConnection }) => void): void;
  on(name: 'confirmed' | 'progress' | 'accepted', listener: () => void): void;
  on(name: 'ended' | 'failed', listener: (e: SessionEnd) => void): void;
  on(
    name: 'icecandidate',
    listener: (e: { candidate: RTCIceCandidate; ready: () => void }) => void,
  ): void;
  on(
    name: 'newInfo',
    listener: (e: {
      originator: string;
      info: { contentType: string; body: string };
      request: SipMessage;
    }) => void,
  ): void;
}

export interface IncomingCall {
  originator: string;
  session: Session;
  request: SipMessage;
}

/** The part of JsSIP's UA that a line needs. */
export interface UserAgent {
  start(): void;
  stop(): void;
  register(): void;
  isConnected(): boolean;
  set(parameter: 'password', value: string): boolean;
  call(target: string, options: object): Session;
  on(name: 'registered', listener: () => void): void;
  on(name: 'disconnected', listener: (e: { code?: number }) => void): void;
  on(name: 'registrationFailed', listener: (e: { response: SipMessage | null }) => void): void;
  on(name: 'newRTCSession', listener: (e: IncomingCall) => void): void;
}

/** The number of a message within its call and direction. */
const NUMBER = 'X-Message-Number';

export function newUserAgent(configuration: object): UserAgent {
  return new UA(configuration as never) as unknown as UserAgent;
}

/** After the first candidate, slower ones (a STUN server that is far away) get this long. */
const GATHER_MS = 800;

/**
 * JsSIP waits for the very last candidate, which can take ten seconds behind a dead STUN server.
 */
export function boundGathering(session: Session): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let current: (() => void) | null = null;
  session.on('icecandidate', ({ ready }) => {
    if (ready === current) return;
    current = ready;
    clearTimeout(timer);
    timer = setTimeout(ready, GATHER_MS);
  });
}

/**
 * JsSIP ends a session the moment its ICE fails, or the WebSocket closes under a re-INVITE. We decide
 * that ourselves: a restart may save it, and the server waits for us. The one sign of those endings
 * is their cause.
 */
export function keepAfterLoss(session: Session, onIceFailed: () => void): void {
  const terminate = session.terminate.bind(session);
  session.terminate = (options) => {
    const isLineLost = options?.cause === C.causes.CONNECTION_ERROR && session.isEstablished();
    if (options?.cause === C.causes.RTP_TIMEOUT) onIceFailed();
    else if (!isLineLost) terminate(options);
  };
}

/**
 * Sends an INFO with JSON and its number, by which the receiver knows it when it comes again. Unlike
 * JsSIP's `sendInfo`, an answer that is missing does not end the call. `gone`: the other side does
 * not know this call any more.
 */
export function sendJson(session: Session, json: string, number: number): Promise<SendResult> {
  return new Promise((resolve) => {
    if (!session.isEstablished()) {
      resolve('lost');
      return;
    }
    session.sendRequest('INFO', {
      extraHeaders: ['Content-Type: application/json', `${NUMBER}: ${number}`],
      body: json,
      eventHandlers: {
        onSuccessResponse: () => resolve('ok'),
        onErrorResponse: () => resolve('refused'),
        onTransportError: () => resolve('lost'),
        onRequestTimeout: () => resolve('lost'),
        onDialogError: () => resolve('gone'),
      },
    });
  });
}

/**
 * JSON bodies that the other side sends on `session`, each once: one whose answer was lost comes
 * again.
 */
export function onJson(session: Session, listener: (json: string) => void): void {
  let last = 0;
  session.on('newInfo', ({ originator, info, request }) => {
    if (originator !== 'remote') return;
    const number = Number(request.getHeader(NUMBER) ?? Number.NaN);
    if (number <= last) return;
    if (Number.isSafeInteger(number)) last = number;
    if (info.contentType.toLowerCase().startsWith('application/json')) listener(info.body);
  });
}

/** Why the other side ended or refused a call: its Reason header (RFC 3326), else its phrase. */
export function reasonOf(message: SipMessage | null): Reason {
  const header = message?.getHeader('Reason') ?? '';
  const reason: Reason = { cause: 0, word: '', text: '' };
  for (const [, protocol = '', rest = ''] of header.matchAll(/([\w.-]+)\s*;((?:"(?:[^"\\]|\\.)*"|[^",])*)/g)) {
    const quoted = /(?:^|;)\s*text\s*=\s*"((?:[^"\\]|\\.)*)"/i.exec(`;${rest}`)?.[1];
    const text = quoted?.replace(/\\(.)/g, '$1') ?? '';
    if (protocol.toUpperCase() === 'SIP') {
      reason.cause = Number(/cause\s*=\s*(\d+)/i.exec(rest)?.[1] ?? 0);
      reason.word = text;
    } else {
      reason.text = text;
    }
  }
  const isRefusal = (message?.status_code ?? 0) >= 300;
  const phrase = message?.reason_phrase ?? '';
  // A phrase of a refusal is what the conference chose to say; that of a BYE does not exist.
  reason.text = (isRefusal && phrase) || reason.text || reason.word || phrase;
  return reason;
}

/** The wait that a refusal asks for (RFC 3261 §20.33), in milliseconds; 0 when it asks for none. */
export function retryAfterMs(message: SipMessage | null): number {
  return Number(/^\s*(\d+)/.exec(message?.getHeader('Retry-After') ?? '')?.[1] ?? 0) * 1000;
}

/** A header line with a value out of user text, which must not bring lines of its own. */
export function headerLine(name: string, value: string): string {
  return `${name}: ${plainText(value)}`;
}

/** User text for a header; JsSIP quotes it, and leaves line breaks to us. */
export function plainText(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').trim();
}

/** Hangs up, whatever the session is doing. */
export function endSession(session: Session | null): void {
  try {
    if (session && !session.isEnded()) session.terminate();
  } catch {
    // The session reached its end between the question and the act.
  }
}
