/**
 * A conference that we are in: one call with it, direct calls with the others, and one identity.
 */

import { type Admission, requestAdmission } from './api.js';
import { ConferenceCall } from './conference-call.js';
import { Connection, type ConnectionAction } from './connection.js';
import { Emitter } from './emitter.js';
import { JoinError } from './errors.js';
import { forget, keep } from './identity.js';
import { Line } from './line.js';
import type { LocalMedia } from './media.js';
import { type Incoming, parseIncoming, writeMessage } from './messages.js';
import { Meter } from './meter.js';
import { Outbox } from './outbox.js';
import { Peers } from './peers.js';
import { Playback } from './playback.js';
import { compareIds, matchPhones } from './roster.js';
import { Seen } from './seen.js';
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
/** Ends after which the identity is still somebody's: ours after a reload, or another page's. */
const KEEPS_IDENTITY: ReadonlySet<EndReason> = new Set<EndReason>(['unreachable', 'replaced']);
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
  readonly #connection: Connection;
  readonly #media: LocalMedia;
  readonly #playback: Playback;
  readonly #meter: Meter;
  readonly #speaker = new ActiveSpeaker();
  readonly #outbox = new Outbox();
  readonly #seen = new Seen();
  readonly #levelsTimer: ReturnType<typeof setInterval>;
  /** Takes the listeners off `window`. */
  readonly #deafen = new AbortController();
  #admission: Admission;
  #line: Line;
  #peers: Peers;
  #call: ConferenceCall | null = null;
  #phones: Phone[] = [];
  #morePhones = 0;
  #hasRoster = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Use `join`. */
  constructor(prepared: Prepared) {
    super();
    this.#prepared = prepared;
    this.#media = prepared.media;
    this.#admission = prepared.admission;
    this.#connection = new Connection(performance.now(), lifetimeMs(prepared.admission));
    this.#meter = new Meter(prepared.context);
    const { speaker } = prepared.options;
    this.#playback = new Playback(speaker ?? '', (blocked) =>
      this.emit('audioBlocked', { blocked }),
    );
    this.#line = this.#newLine();
    this.#peers = this.#newPeers();
    this.#levelsTimer = setInterval(() => this.#measure(), LEVELS_EVERY_MS);
    const { signal } = this.#deafen;
    window.addEventListener('online', () => this.#line.hurry(), { signal });
    window.addEventListener('pagehide', (event) => this.#pageHidden(event), { signal });
    this.#watchMicrophone();
    this.#line.start();
    this.#run([]);
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

  /** The devices in use, by `deviceId`; empty for none, and for the browser's own choice. */
  get devices(): { microphone: string; camera: string; speaker: string } {
    return { ...this.#media.deviceIds(), speaker: this.#playback.speaker };
  }

  /**
   * Sends a message of a type of your own to everybody, or to one caller id. Resolves when the server
   * has it; a refusal that follows is an `error`. Messages that are sent while the connection is lost
   * wait for it.
   */
  async sendMessage(type: string, data: unknown, to?: string): Promise<void> {
    await this.#outbox.push(writeMessage(type, data, crypto.randomUUID(), to));
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
    this.#run(this.#connection.leave('left'));
  }

  /** Called by `join`: another page of this browser has joined as who we are. */
  handleTakenOver(): void {
    this.#run(this.#connection.leave('replaced'));
  }

  /**
   * A closed tab is told to the others at once: Chromium says nothing, and they would look at a
   * picture that stands still for as long as a lost network is waited for. A page that is loaded
   * again joins as who it was. One that the browser keeps, to come back to it, has left: nobody who
   * looks at another page expects to be heard.
   */
  #pageHidden({ persisted }: PageTransitionEvent): void {
    if (persisted) this.leave();
    else this.#dropCalls();
  }

  // What the connection wants done.

  #run(actions: readonly ConnectionAction[]): void {
    for (const action of actions) this.#act(action);
    clearTimeout(this.#timer);
    const at = this.#connection.nextAt();
    if (at === null) return;
    const wait = Math.max(0, at - performance.now());
    this.#timer = setTimeout(() => this.#run(this.#connection.tick(performance.now())), wait);
  }

  #act(action: ConnectionAction): void {
    switch (action.kind) {
      case 'place-call':
        this.#placeCall();
        break;
      case 'resume-call':
        this.#call?.resume();
        this.#peers.resume();
        break;
      case 'drop-call':
        this.#dropCalls();
        break;
      case 'ask-admission':
        void this.#askAdmission();
        break;
      case 'renew-line':
        this.#line.renew(this.#admission);
        break;
      case 'replace-line':
        this.#line.stop();
        this.#line = this.#newLine();
        this.#peers = this.#newPeers();
        this.#hasRoster = false;
        this.#line.start();
        break;
      case 'probe-server':
        void this.#probeServer();
        break;
      case 'hurry-line':
        this.#line.hurry();
        break;
      case 'connected':
        this.emit('connected', { id: this.id, room: this.room });
        break;
      case 'reconnecting':
        this.#peers.away();
        this.emit('reconnecting', { since: Date.now(), cause: action.cause });
        break;
      case 'reconnected':
        this.#peers.back();
        this.emit('reconnected', { id: this.id });
        break;
      case 'end':
        this.#close(action.reason, action.text);
        break;
    }
  }

  #newLine(): Line {
    const servers = this.#prepared.options.iceServers ?? this.#admission.iceServers;
    const connection = this.#connection;
    const now = (): number => performance.now();
    return new Line(this.#admission, servers, {
      onUp: () => this.#run(connection.lineUp()),
      onDown: (cause) => this.#run(connection.lineDown(now(), cause)),
      onRefused: () => this.#run(connection.lineRefused(now(), '')),
      onAttemptFailed: (attempts) => this.#run(connection.attemptFailed(now(), attempts)),
      onIncoming: (session, from) => this.#peers.handleIncoming(session, from),
    });
  }

  async #probeServer(): Promise<void> {
    try {
      await fetch(this.#prepared.options.baseUrl, { method: 'HEAD', cache: 'no-store' });
    } catch {
      // No server, no verdict.
      return;
    }
    this.#run(this.#connection.serverAnswered());
  }

  /** Exchanges the token for one that lives longer. */
  async #askAdmission(): Promise<void> {
    const { options, storage } = this.#prepared;
    const { baseUrl, room, displayName } = options;
    try {
      const ask = { baseUrl, room, displayName, token: this.#admission.token };
      const admission = await requestAdmission(ask);
      if (this.#connection.isOver) return;
      const isSame = admission.username === this.#admission.username;
      this.#admission = admission;
      keep(storage, options, admission, Date.now());
      const life = lifetimeMs(admission);
      this.#run(this.#connection.admitted(performance.now(), isSame, life));
    } catch (fault) {
      const { isPassing, retryAfterMs, detail } =
        fault instanceof JoinError ? fault : new JoinError('server-error', String(fault));
      const refusal = { isPassing, retryAfterMs, text: detail };
      this.#run(this.#connection.notAdmitted(performance.now(), refusal));
    }
  }

  #placeCall(): void {
    const connection = this.#connection;
    const now = (): number => performance.now();
    const call: ConferenceCall = new ConferenceCall(this.#media, this.#outbox, {
      onConnected: () => this.#run(connection.callUp(now())),
      onEnded: (end) => {
        this.#silencePhones();
        this.#call = null;
        this.#run(connection.callEnded(now(), end));
      },
      onStream: (stream) => {
        this.#playback.play(PHONES, stream);
        this.#meter.watch(PHONES, stream);
      },
      onJson: (json) => this.#received(json),
      onMedia: (works) => {
        // A network that is gone for media may be gone for the line too, which is to know soon.
        if (!works) this.#line.hurry();
        this.#run(connection.media(now(), works));
      },
      isLineUp: () => this.#line.isUp,
    });
    this.#call = call;
    call.attach(this.#line.call('joinconf', [`X-Conference-Id: ${this.room}`]));
  }

  #silencePhones(): void {
    this.#playback.play(PHONES, null);
    this.#meter.watch(PHONES, null);
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
        const { type, from, displayName, data, to, id } = incoming;
        if (!this.#seen.isNew(from, id)) break;
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
    this.#peers.close();
    this.#call?.hangUp();
    this.#call = null;
    this.#silencePhones();
  }

  #close(reason: EndReason, text: string): void {
    clearInterval(this.#levelsTimer);
    this.#deafen.abort();
    this.#line.stop();
    this.#outbox.close();
    this.#playback.close();
    this.#meter.close();
    this.#media.close();
    void this.#prepared.context.close();
    const { options, storage } = this.#prepared;
    if (!KEEPS_IDENTITY.has(reason)) forget(storage, options);
    this.#prepared.release();
    this.emit('ended', { reason, text });
  }

  #error(code: ConferenceErrorCode, message: string): void {
    this.emit('error', { code, message });
  }
}

/** How long the token is good for from now on. */
function lifetimeMs({ expiresAt }: Admission): number {
  return expiresAt - Date.now();
}
