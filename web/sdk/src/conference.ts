/**
 * A conference that we are in: one call with it, direct calls with the others, and one identity.
 */

import { type Admission, requestAdmission } from './api.js';
import { Backoff } from './backoff.js';
import { type CallEnd, ConferenceCall } from './conference-call.js';
import { Emitter } from './emitter.js';
import { JoinError } from './errors.js';
import { claim, forget, keep } from './identity.js';
import { Line } from './line.js';
import type { LocalMedia } from './media.js';
import { type Incoming, parseIncoming, writeMessage } from './messages.js';
import { Meter } from './meter.js';
import { Outbox } from './outbox.js';
import { Peers } from './peers.js';
import { Playback } from './playback.js';
import { compareIds, matchPhones } from './roster.js';
import { ActiveSpeaker } from './speaking.js';
import type {
  ConferenceErrorCode,
  ConferenceEvents,
  EndReason,
  JoinOptions,
  Peer,
  Phone,
  SentMedia,
} from './types.js';

const LEVELS_EVERY_MS = 100;
/** Without a connection for that long, it is over. */
const GIVE_UP_MS = 90_000;
/** Failed attempts to connect before we ask whether it is the token that is refused. */
const DOUBT_TOKEN_AFTER = { neverConnected: 2, connectedBefore: 6 } as const;
/** Tokens that a server may refuse in a row, before we believe that it means us. */
const RENEWALS_MAX = 2;
/** Reasons that the server gives when it ends a call that worked. */
const SAID_BY_SERVER: ReadonlySet<string> = new Set<EndReason>(['replaced', 'full']);
/** SIP refusals that another attempt will not change. */
const FINAL_CODES = new Set([400, 402, 404, 410, 484, 486, 488, 600, 603, 604, 606]);
const RECALL = { firstMs: 500, longestMs: 8_000 };
const SELF = 'self';
const PHONES = 'phones';

/** What `join` has prepared. */
export interface Prepared {
  options: JoinOptions;
  storage: Storage | null;
  admission: Admission;
  release: () => void;
  media: LocalMedia;
  context: AudioContext;
}

export class Conference extends Emitter<ConferenceEvents> {
  readonly #prepared: Prepared;
  readonly #media: LocalMedia;
  readonly #playback: Playback;
  readonly #meter: Meter;
  readonly #speaker = new ActiveSpeaker();
  readonly #outbox = new Outbox();
  readonly #recall = new Backoff(RECALL);
  readonly #levelsTimer: ReturnType<typeof setInterval>;
  readonly #onOnline = () => this.#line.hurry();
  // A closed tab is told to the others at once: Chromium says nothing, and they would look at a
  // picture that stands still for as long as a lost network is waited for. A page that is loaded
  // again joins as who it was.
  readonly #onPageHide = () => this.#call?.hangUp();
  readonly #onPageShow = ({ persisted }: PageTransitionEvent) => {
    if (persisted) this.#callEnded({ code: 0, text: '', wasWorking: false, byRemote: false });
  };
  #admission: Admission;
  #release: () => void;
  #line: Line;
  #peers: Peers;
  #call: ConferenceCall | null = null;
  #phones: Phone[] = [];
  #morePhones = 0;
  #state: 'starting' | 'up' | 'reconnecting' | 'over' = 'starting';
  #hasRoster = false;
  #hasConnected = false;
  #serverAnswers = false;
  #isRenewing = false;
  #renewals = 0;
  #giveUpTimer: ReturnType<typeof setTimeout> | undefined;
  #recallTimer: ReturnType<typeof setTimeout> | undefined;

  /** Use `join`. */
  constructor(prepared: Prepared) {
    super();
    this.#prepared = prepared;
    this.#media = prepared.media;
    this.#admission = prepared.admission;
    this.#release = prepared.release;
    this.#meter = new Meter(prepared.context);
    const { speaker } = prepared.options;
    this.#playback = new Playback(speaker ?? '', (blocked) =>
      this.emit('audioBlocked', { blocked }),
    );
    this.#line = this.#newLine();
    this.#peers = this.#newPeers();
    this.#levelsTimer = setInterval(() => this.#measure(), LEVELS_EVERY_MS);
    window.addEventListener('online', this.#onOnline);
    window.addEventListener('pagehide', this.#onPageHide);
    window.addEventListener('pageshow', this.#onPageShow);
    this.#giveUpTimer = setTimeout(() => this.#finish('unreachable', ''), GIVE_UP_MS);
    this.#watchMicrophone();
    this.#line.start();
  }

  /** Our caller id. */
  get id(): string {
    return this.#admission.username;
  }

  get displayName(): string {
    return this.#admission.displayName;
  }

  get room(): string {
    return this.#prepared.options.room;
  }

  /** Number that telephones dial to join; empty when there is none. */
  get phoneNumber(): string {
    return this.#admission.phoneNumber;
  }

  get peers(): readonly Peer[] {
    return this.#peers.list;
  }

  get phones(): readonly Phone[] {
    return this.#phones;
  }

  /** Telephones that are here and not among `phones`, because there are too many. */
  get morePhones(): number {
    return this.#morePhones;
  }

  get sends(): SentMedia {
    return this.#media.sent;
  }

  /** False for those who only listen. */
  get hasMicrophone(): boolean {
    return this.#media.hasMicrophone;
  }

  /** Our own picture, camera or screen; null when none is sent. */
  get ownVideo(): MediaStreamTrack | null {
    return this.#media.videoTrack;
  }

  /**
   * Sends a message of a type of your own to everybody, or to one caller id. Resolves when the server
   * has it; a refusal that follows is an `error`. Messages that are sent while the connection is lost
   * wait for it.
   */
  async sendMessage(type: string, data: unknown, to?: string): Promise<void> {
    await this.#outbox.push(writeMessage(type, data, to));
  }

  mute(): void {
    this.#media.setMuted(true);
  }

  unmute(): void {
    this.#media.setMuted(false);
  }

  async startCamera(deviceId?: string): Promise<void> {
    await this.#media.startCamera(deviceId ? { deviceId: { exact: deviceId } } : {});
  }

  stopCamera(): void {
    this.#media.stopCamera();
  }

  /** Asks the user what to share. Rejects when they decline. */
  async startScreen(): Promise<void> {
    await this.#media.startScreen();
  }

  stopScreen(): void {
    this.#media.stopScreen();
  }

  async setMicrophone(deviceId: string): Promise<void> {
    await this.#media.setMicrophone(deviceId);
    this.#watchMicrophone();
  }

  async setSpeaker(deviceId: string): Promise<void> {
    await this.#playback.setSpeaker(deviceId);
  }

  /** After a click: plays sound that the browser held back. */
  async resumeAudio(): Promise<void> {
    await this.#prepared.context.resume();
    await this.#playback.resume();
  }

  /** Leaves, and forgets the identity. */
  leave(): void {
    this.#finish('left', '');
  }

  // The line: WebSocket and registration.

  #newLine(): Line {
    const servers = this.#prepared.options.iceServers ?? this.#admission.iceServers;
    const line: Line = new Line(this.#admission, servers, {
      onUp: () => this.#lineUp(),
      onDown: () => this.#reconnecting(),
      onRefused: () => this.#refused(''),
      onAttemptFailed: (attempts) => void this.#attemptFailed(line, attempts),
      onIncoming: (session, from) => this.#peers.handleIncoming(session, from),
    });
    return line;
  }

  #lineUp(): void {
    this.#hasConnected = true;
    this.#serverAnswers = false;
    if (this.#call) this.#call.resume();
    else this.#placeCall();
  }

  /**
   * Our token may be what fails: then the server answers, and still the WebSocket does not open.
   */
  async #attemptFailed(line: Line, attempts: number): Promise<void> {
    const { neverConnected, connectedBefore } = DOUBT_TOKEN_AFTER;
    const patience = this.#hasConnected ? connectedBefore : neverConnected;
    if (this.#state === 'over' || attempts < patience || this.#renewals >= RENEWALS_MAX) return;
    if (this.#serverAnswers) {
      this.#serverAnswers = false;
      await this.#renew();
      return;
    }
    try {
      await fetch(this.#prepared.options.baseUrl, { method: 'HEAD', cache: 'no-store' });
      this.#serverAnswers = true;
      line.hurry();
    } catch {
      // No server, no verdict.
    }
  }

  #refused(text: string): void {
    if (this.#renewals >= RENEWALS_MAX) this.#finish('refused', text);
    else void this.#renew();
  }

  /** Joins again as somebody new, when the identity that we have is no longer accepted. */
  async #renew(): Promise<void> {
    if (this.#isRenewing || this.#state === 'over') return;
    this.#isRenewing = true;
    this.#reconnecting();
    const { options, storage } = this.#prepared;
    try {
      this.#renewals += 1;
      const { baseUrl, room, displayName } = options;
      const admission = await requestAdmission(baseUrl, room, displayName);
      const release = await claim(admission.username);
      if (this.#isOver()) return;
      this.#dropCalls();
      this.#line.stop();
      this.#release();
      this.#release = release ?? (() => undefined);
      this.#admission = admission;
      this.#hasConnected = false;
      keep(storage, baseUrl, room, displayName, admission);
      this.#line = this.#newLine();
      this.#peers = this.#newPeers();
      this.#line.start();
    } catch (fault) {
      const isGone = fault instanceof JoinError && fault.code === 'server-unreachable';
      if (!isGone) this.#finish('refused', fault instanceof Error ? fault.message : '');
    } finally {
      this.#isRenewing = false;
    }
  }

  // The call with the conference.

  #placeCall(): void {
    if (this.#state === 'over' || !this.#line.isUp || this.#call) return;
    const call: ConferenceCall = new ConferenceCall(this.#media, this.#outbox, {
      onConnected: () => this.#callConnected(),
      onEnded: (end) => this.#callEnded(end),
      onStream: (stream) => {
        this.#playback.play(PHONES, stream);
        this.#meter.watch(PHONES, stream);
      },
      onJson: (json) => this.#received(json),
      onMedia: (works) => {
        if (!works) this.#reconnecting();
        else if (this.#state === 'reconnecting' && this.#line.isUp) this.#callConnected();
      },
    });
    this.#call = call;
    call.attach(this.#line.call('joinconf', [`X-Conference-Id: ${this.#prepared.options.room}`]));
  }

  #callConnected(): void {
    const before = this.#state;
    if (before === 'over' || before === 'up') return;
    clearTimeout(this.#giveUpTimer);
    this.#recall.reset();
    this.#renewals = 0;
    this.#state = 'up';
    const { id, room } = this;
    if (before === 'starting') this.emit('connected', { id, room });
    else this.emit('reconnected', { id });
  }

  #callEnded(end: CallEnd): void {
    this.#call = null;
    this.#playback.play(PHONES, null);
    this.#meter.watch(PHONES, null);
    if (this.#state === 'over') return;
    if (end.byRemote && end.wasWorking) {
      this.#finish(SAID_BY_SERVER.has(end.text) ? (end.text as EndReason) : 'ended', end.text);
    } else if (end.code === 401 || end.code === 403) {
      this.#refused(end.text);
    } else if (FINAL_CODES.has(end.code)) {
      this.#finish('refused', end.text);
    } else {
      this.#reconnecting();
      clearTimeout(this.#recallTimer);
      this.#recallTimer = setTimeout(() => this.#placeCall(), this.#recall.next());
    }
  }

  #reconnecting(): void {
    if (this.#state !== 'up') return;
    this.#state = 'reconnecting';
    this.#giveUpTimer = setTimeout(() => this.#finish('unreachable', ''), GIVE_UP_MS);
    this.emit('reconnecting', { since: Date.now() });
  }

  // Messages.

  #received(json: string): void {
    const incoming = parseIncoming(json);
    if (incoming === null) {
      this.#error('message-malformed', 'The conference sent something that is no message.');
      return;
    }
    switch (incoming.kind) {
      case 'roster':
        this.#setRoster(incoming);
        break;
      case 'ice-failed':
        this.#peers.handleToldFailed(incoming.callee);
        break;
      case 'phone':
        this.#phoneStatus(incoming);
        break;
      case 'fault':
        this.#error('message-refused', incoming.text);
        break;
      case 'message': {
        const { type, from, displayName, data, to } = incoming;
        this.emit('message', { type, from, displayName, data, isPrivate: to !== null });
        break;
      }
    }
  }

  #setRoster(roster: Incoming & { kind: 'roster' }): void {
    const isFirst = !this.#hasRoster;
    const before = this.#phones;
    this.#phones = matchPhones(before, roster.phones);
    this.#morePhones = roster.morePhones;
    this.#peers.setRoster(roster.peers);
    const keys = (phones: readonly Phone[]) => phones.map(({ key }) => key);
    const { joined, left } = compareIds(keys(before), keys(this.#phones));
    for (const phone of this.#phones) {
      if (joined.includes(phone.key)) this.emit('phoneJoined', { phone, present: isFirst });
    }
    for (const phone of before) {
      if (left.includes(phone.key)) this.emit('phoneLeft', { phone });
    }
    this.#hasRoster = true;
    const { peers, phones, morePhones } = this;
    this.emit('roster', { peers, phones, morePhones });
  }

  #phoneStatus({ status, number, reason }: Incoming & { kind: 'phone' }): void {
    // Who is there is told by the roster.
    if (status === 'calling') this.emit('phoneCalling', { number });
    else if (status === 'failed') this.emit('phoneFailed', { number, reason });
  }

  // The others.

  #newPeers(): Peers {
    const { username: id, displayName } = this.#admission;
    return new Peers({ id, displayName }, this.#line, this.#media, {
      onJoined: (peer) => this.emit('peerJoined', { peer, present: !this.#hasRoster }),
      onLeft: (peer) => {
        this.#setPeerSound(peer.id, null);
        this.emit('peerLeft', { peer });
      },
      onChanged: (peer) => this.emit('peerChanged', { peer }),
      onStream: (peer, stream) => {
        this.#setPeerSound(peer.id, stream);
        this.emit('peerStream', { peer, stream });
      },
      send: (json) => {
        this.#outbox
          .push(json)
          .catch((fault: Error) => this.#error('message-refused', fault.message));
      },
    });
  }

  #setPeerSound(id: string, stream: MediaStream | null): void {
    this.#playback.play(`peer:${id}`, stream);
    this.#meter.watch(id, stream);
  }

  #measure(): void {
    const levels = this.#meter.read();
    const self = this.sends.microphone ? (levels.get(SELF) ?? 0) : 0;
    levels.set(SELF, self);
    const peers: Record<string, number> = {};
    for (const [id, level] of levels) {
      if (id !== SELF && id !== PHONES) peers[id] = level;
    }
    this.emit('levels', { self, phones: levels.get(PHONES) ?? 0, peers });
    if (this.#speaker.update(performance.now(), levels)) {
      this.emit('activeSpeaker', { id: this.#speaker.id });
    }
  }

  /** Called by `join` when what we send has changed. */
  handleMediaChanged(): void {
    this.#peers.announce();
    this.emit('mediaChanged', this.sends);
  }

  #watchMicrophone(): void {
    const track = this.#media.microphoneTrack;
    this.#meter.watch(SELF, track && new MediaStream([track]));
  }

  // The end.

  #dropCalls(): void {
    clearTimeout(this.#recallTimer);
    this.#peers.close();
    this.#call?.hangUp();
    this.#call = null;
  }

  #finish(reason: EndReason, text: string): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    clearTimeout(this.#giveUpTimer);
    clearInterval(this.#levelsTimer);
    window.removeEventListener('online', this.#onOnline);
    window.removeEventListener('pagehide', this.#onPageHide);
    window.removeEventListener('pageshow', this.#onPageShow);
    this.#dropCalls();
    this.#line.stop();
    this.#outbox.close();
    this.#playback.close();
    this.#meter.close();
    this.#media.close();
    void this.#prepared.context.close();
    this.#release();
    const { options, storage } = this.#prepared;
    if (reason !== 'unreachable') forget(storage, options.baseUrl, options.room);
    this.emit('ended', { reason, text });
  }

  /** A question of its own, because the state changes while we wait for something. */
  #isOver(): boolean {
    return this.#state === 'over';
  }

  #error(code: ConferenceErrorCode, message: string): void {
    this.emit('error', { code, message });
  }
}
