/**
 * The state of a call as the page shows it: snapshots for the components, out of the events of the
 * SDK.
 */

import type { Conference, EndReason, Levels, Message, Peer, Phone, SentMedia } from '@talkpath/web';
import type { KeptCall } from './memory.js';
import { maskedNumber } from './people.js';
import { wordsOfDevice } from './words.js';

/** Older lines of the chat are dropped. */
const CHAT_MAX = 500;
const NOTICES_MAX = 3;
const NOTICE_MS = 4_000;
export const CHAT_CHARS_MAX = 2_000;

export interface ChatLine {
  id: number;
  /** Empty for our own. */
  from: string;
  name: string;
  text: string;
  at: Date;
  /** For a line to one person: the other one's name. */
  privateWith: string | null;
  state: 'sending' | 'sent' | 'failed';
}

export interface Notice {
  id: number;
  /** Who it is about; empty for nobody. It may be long, and is shortened before `text` is. */
  name: string;
  text: string;
  isFault: boolean;
}

export interface State {
  phase: 'connecting' | 'connected' | 'reconnecting' | 'ended';
  /** The server restarts, which is why we are not connected. */
  isRestart: boolean;
  /** The conference has said who is here. */
  hasRoster: boolean;
  peers: readonly Peer[];
  phones: readonly Phone[];
  /** Telephones beside those. */
  morePhones: number;
  /** Numbers that are being dialled. */
  calling: readonly string[];
  sends: SentMedia;
  hasMicrophone: boolean;
  ownVideo: MediaStreamTrack | null;
  speaking: string | null;
  chat: readonly ChatLine[];
  unread: number;
  notices: readonly Notice[];
  isAudioBlocked: boolean;
  end: { reason: EndReason; text: string } | null;
}

export class CallSession {
  readonly conference: Conference;
  #state: State;
  #isChatOpen = false;
  #count = 0;
  readonly #listeners = new Set<() => void>();
  readonly #levelListeners = new Set<(levels: Levels) => void>();
  #kept: KeptCall;

  /** `name` is what was asked for; the server may have written it differently. */
  constructor(conference: Conference, name: string) {
    this.conference = conference;
    const { devices } = conference;
    this.#kept = { name, isMuted: false, camera: false, microphone: true, devices };
    this.#state = {
      phase: 'connecting',
      isRestart: false,
      hasRoster: false,
      peers: [],
      phones: [],
      morePhones: 0,
      calling: [],
      sends: conference.sends,
      hasMicrophone: conference.hasMicrophone,
      ownVideo: conference.ownVideo,
      speaking: null,
      chat: [],
      unread: 0,
      notices: [],
      isAudioBlocked: false,
      end: null,
    };
    this.#listen();
  }

  get state(): State {
    return this.#state;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Levels come ten times a second, and pass the components by. */
  subscribeLevels(listener: (levels: Levels) => void): () => void {
    this.#levelListeners.add(listener);
    return () => this.#levelListeners.delete(listener);
  }

  toggleMicrophone(): void {
    if (!this.#state.hasMicrophone) {
      this.#fault('You joined without a microphone. Choose one in the settings.');
    } else if (this.#state.sends.microphone) this.conference.mute();
    else this.conference.unmute();
  }

  toggleCamera(): void {
    const { sends } = this.#state;
    if (sends.video === 'camera') this.conference.stopCamera();
    else void this.#try('camera', this.conference.startCamera());
  }

  toggleScreen(): void {
    if (this.#state.sends.video === 'screen') this.conference.stopScreen();
    else void this.#try('screen', this.conference.startScreen());
  }

  async useDevice(kind: 'microphone' | 'camera' | 'speaker', deviceId: string): Promise<void> {
    if (kind === 'microphone') {
      await this.#try('microphone', this.conference.setMicrophone(deviceId));
      this.#set({ hasMicrophone: this.conference.hasMicrophone });
    } else if (kind === 'camera') await this.#try('camera', this.conference.startCamera(deviceId));
    else await this.conference.setSpeaker(deviceId).catch(() => undefined);
  }

  async resumeAudio(): Promise<void> {
    await this.conference.resumeAudio();
    this.#set({ isAudioBlocked: false });
  }

  leave(): void {
    this.conference.leave();
  }

  /** What a reload, or a return to this tab, needs. */
  toKeep(): KeptCall {
    const { phase, sends, hasMicrophone: microphone } = this.#state;
    if (phase === 'ended') return this.#kept;
    const isMuted = microphone && !sends.microphone;
    const camera = sends.video === 'camera';
    const { devices } = this.conference;
    this.#kept = { ...this.#kept, isMuted, camera, microphone, devices };
    return this.#kept;
  }

  setChatOpen(isOpen: boolean): void {
    this.#isChatOpen = isOpen;
    if (isOpen) this.#set({ unread: 0, notices: [] });
  }

  /** Sends to everybody, or to the peer with this id. */
  sendChat(text: string, to: string | null): void {
    const peer = this.#state.peers.find(({ id }) => id === to);
    const privateWith = to === null ? null : (peer?.displayName ?? to);
    const line = this.#addLine({ from: '', name: 'You', text, privateWith, state: 'sending' });
    this.conference.sendMessage('chat', { text }, to ?? undefined).then(
      () => this.#setLine(line.id, 'sent'),
      () => this.#setLine(line.id, 'failed'),
    );
  }

  dismiss(id: number): void {
    this.#set({ notices: this.#state.notices.filter((one) => one.id !== id) });
  }

  #listen(): void {
    const { conference } = this;
    conference.on('connected', () => this.#set({ phase: 'connected' }));
    conference.on('reconnecting', ({ cause }) => {
      this.#set({ phase: 'reconnecting', isRestart: cause === 'restart' });
    });
    conference.on('reconnected', () => this.#set({ phase: 'connected' }));
    conference.on('ended', (end) => this.#set({ phase: 'ended', end }));
    conference.on('roster', (roster) => this.#set({ ...roster, hasRoster: true }));
    conference.on('peerChanged', () => this.#set({ peers: conference.peers }));
    conference.on('peerStream', () => this.#set({ peers: conference.peers }));
    conference.on('peerJoined', ({ peer, present }) => {
      if (!present) this.#notice(peer.displayName, 'joined');
    });
    conference.on('peerLeft', ({ peer }) => this.#notice(peer.displayName, 'left'));
    conference.on('phoneJoined', ({ phone, present }) => {
      this.#setCalling(phone.callerId, false);
      if (!present) this.#notice(maskedNumber(phone.callerId), 'joined by telephone');
    });
    conference.on('phoneLeft', ({ phone }) => {
      this.#notice(maskedNumber(phone.callerId), 'hung up');
    });
    conference.on('phoneCalling', ({ number }) => this.#setCalling(number, true));
    conference.on('phoneFailed', ({ number, reason }) => {
      this.#setCalling(number, false);
      const why = reason ? `: ${reason}` : '';
      this.#notice(maskedNumber(number), `was not reached${why}`, true);
    });
    conference.on('message', (message) => this.#received(message));
    conference.on('error', ({ code, message }) => {
      if (code === 'message-refused') this.#fault(`A message was refused: ${message}`);
    });
    conference.on('mediaChanged', (sends) => this.#set({ sends, ownVideo: conference.ownVideo }));
    conference.on('activeSpeaker', ({ id }) => this.#set({ speaking: id }));
    conference.on('audioBlocked', ({ blocked }) => this.#set({ isAudioBlocked: blocked }));
    conference.on('levels', (levels) => {
      for (const listener of this.#levelListeners) listener(levels);
    });
  }

  #received({ type, from, displayName, data, isPrivate }: Message): void {
    const text = (data as { text?: unknown } | null)?.text;
    if (type !== 'chat' || typeof text !== 'string' || from === this.conference.id) return;
    const known = this.#state.peers.find(({ id }) => id === from)?.displayName;
    const name = known ?? (displayName || 'Somebody');
    const privateWith = isPrivate ? name : null;
    const shown = text.slice(0, CHAT_CHARS_MAX);
    this.#addLine({ from, name, text: shown, privateWith, state: 'sent' });
    if (this.#isChatOpen) return;
    this.#set({ unread: this.#state.unread + 1 });
    this.#notice(`${name}:`, shown.slice(0, 80));
  }

  #addLine(line: Omit<ChatLine, 'id' | 'at'>): ChatLine {
    const full = { ...line, id: (this.#count += 1), at: new Date() };
    this.#set({ chat: [...this.#state.chat, full].slice(-CHAT_MAX) });
    return full;
  }

  #setLine(id: number, state: ChatLine['state']): void {
    this.#set({ chat: this.#state.chat.map((one) => (one.id === id ? { ...one, state } : one)) });
  }

  #setCalling(number: string, isCalling: boolean): void {
    const others = this.#state.calling.filter((one) => one !== number);
    this.#set({ calling: isCalling ? [...others, number] : others });
  }

  #fault(text: string): void {
    this.#notice('', text, true);
  }

  #notice(name: string, text: string, isFault = false): void {
    const id = (this.#count += 1);
    const notice = { id, name, text, isFault };
    this.#set({ notices: [...this.#state.notices, notice].slice(-NOTICES_MAX) });
    setTimeout(() => this.dismiss(id), NOTICE_MS);
  }

  async #try(device: 'camera' | 'screen' | 'microphone', attempt: Promise<void>): Promise<void> {
    try {
      await attempt;
    } catch (fault) {
      const words = wordsOfDevice(device, fault);
      if (words !== null) this.#fault(words);
    }
  }

  #set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}
