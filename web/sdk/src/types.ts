/** What a page gives to `join` and hears from a conference. */

/** How the media of another web participant reach us. */
export type Link =
  /** Nobody has called yet, or a call is on its way. */
  | 'connecting'
  /** Browser to browser. */
  | 'direct'
  /** Browser to browser failed twice: sound comes through the conference, there is no picture. */
  | 'relayed';

/** What a participant sends at the moment. */
export interface SentMedia {
  microphone: boolean;
  video: 'camera' | 'screen' | 'none';
}

/** Another web participant. */
export interface Peer {
  /** Caller id: the user name at the server. */
  readonly id: string;
  readonly displayName: string;
  readonly link: Link;
  /** The other side's picture and sound; null until it is connected directly. */
  readonly stream: MediaStream | null;
  /** What the other side says it sends; null when it does not say (another client). */
  readonly sends: SentMedia | null;
}

/** A telephone in the conference. */
export interface Phone {
  /** Distinguishes telephones; two of them may have the same caller id. */
  readonly key: string;
  readonly callerId: string;
}

/** A message of another participant. */
export interface Message {
  readonly type: string;
  /** Caller id of the sender, as the conference vouches for it; empty when it does not say. */
  readonly from: string;
  readonly displayName: string;
  readonly data: unknown;
  /** True when it was sent to us alone. */
  readonly isPrivate: boolean;
}

export type EndReason =
  /** `leave()` was called. */
  | 'left'
  /** The server ended the call: the conference closed, or somebody removed us. */
  | 'ended'
  /** The same person joined in another tab, or the same identity from somewhere else. */
  | 'replaced'
  /** There are as many participants as the conference takes. */
  | 'full'
  /** The server does not let us in (any more). */
  | 'refused'
  /** The server could not be reached for too long. */
  | 'unreachable';

/** Why the connection is being made again: the network failed, or the server restarts. */
export type ReconnectCause = 'network' | 'restart';

/** Sound levels from 0 (silence) to 1, ten times a second. */
export interface Levels {
  readonly self: number;
  /** All telephones together: they arrive as one stream. */
  readonly phones: number;
  readonly peers: Readonly<Record<string, number>>;
}

export interface ConferenceEvents {
  /** In the conference, for the first time. */
  connected: { id: string; room: string };
  /**
   * The whole membership, after every change of it. A roster has room for 100 telephones at most;
   * `morePhones` counts the others.
   */
  roster: { peers: readonly Peer[]; phones: readonly Phone[]; morePhones: number };
  /** `present`: was there before us. */
  peerJoined: { peer: Peer; present: boolean };
  peerLeft: { peer: Peer };
  /** The name, link or sent media of a peer changed. */
  peerChanged: { peer: Peer };
  peerStream: { peer: Peer; stream: MediaStream | null };
  phoneJoined: { phone: Phone; present: boolean };
  phoneLeft: { phone: Phone };
  /** A telephone is being dialled. */
  phoneCalling: { number: string };
  phoneFailed: { number: string; reason: string };
  message: Message;
  /** Who speaks: a caller id, `self`, `phones`, or null for nobody. */
  activeSpeaker: { id: string | null };
  levels: Levels;
  /** What we send changed, also because the user stopped sharing in the browser's own bar. */
  mediaChanged: SentMedia;
  /** The browser wants a click before it plays sound: then call `resumeAudio`. */
  audioBlocked: { blocked: boolean };
  reconnecting: { since: number; cause: ReconnectCause };
  reconnected: { id: string };
  /** Once, and nothing after it. `text` is the server's reason, if it gave one. */
  ended: { reason: EndReason; text: string };
  /** Something failed and the conference goes on. */
  error: { code: ConferenceErrorCode; message: string };
}

export type ConferenceErrorCode = 'message-refused' | 'message-malformed';

export interface JoinOptions {
  /** Origin of the server, such as `https://talk.example.org`. */
  baseUrl: string;
  /** Room id; for conferences that phones join, it is the PIN. */
  room: string;
  displayName: string;
  /** A running track, constraints, or false to listen only. Default: the default microphone. */
  microphone?: MediaStreamTrack | MediaTrackConstraints | false;
  /** A running track or constraints; default: no camera until `startCamera`. */
  camera?: MediaStreamTrack | MediaTrackConstraints | false;
  /** Starts muted. */
  muted?: boolean;
  /** `deviceId` of the loudspeaker, where the browser can choose one. */
  speaker?: string;
  /**
   * Where the identity survives a reload, by room and name; default `localStorage`, null for
   * nowhere. Of several pages with one identity only the newest is in the conference.
   */
  storage?: Storage | null;
  /** Ends an attempt to join; microphone and camera are off at once. */
  signal?: AbortSignal;
  /** The server restarts, and the attempt to join waits for it. */
  onWaiting?: () => void;
  /** Instead of the servers that the join answer names. */
  iceServers?: RTCIceServer[];
}
