/**
 * What we send: microphone, camera, screen. One audio and one video track at most, given to every
 * sender that is registered; switching replaces tracks and never renegotiates.
 */

import { JoinError, codeOfMicrophoneFault } from './errors.js';
import type { JoinOptions, SentMedia } from './types.js';

export const MICROPHONE: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
};

export const CAMERA: MediaTrackConstraints = {
  width: { ideal: 960 },
  height: { ideal: 540 },
  frameRate: { ideal: 24, max: 30 },
};

export class LocalMedia {
  /** Names the stream for the other side; its tracks are replaced under way. */
  readonly stream = new MediaStream();
  readonly #onChanged: () => void;
  readonly #senders = new Map<RTCRtpSender, 'audio' | 'video'>();
  readonly #silence: SilentTrack;
  #microphone: MediaStreamTrack | null = null;
  #camera: MediaStreamTrack | null = null;
  #screen: MediaStreamTrack | null = null;
  #isMuted = false;
  #isClosed = false;
  /** Counts what was wanted of the camera and the screen, so that a late answer is known as one. */
  #wishes = { camera: 0, screen: 0 };

  constructor(context: AudioContext, onChanged: () => void) {
    this.#silence = silentTrack(context);
    this.#onChanged = onChanged;
  }

  /**
   * Opens what `options` ask for, and another device in place of one that has gone. A camera that
   * fails is no reason to stay outside: it is left off.
   */
  async open(options: JoinOptions): Promise<void> {
    this.#isMuted = options.muted ?? false;
    if (options.microphone !== false) {
      try {
        const { microphone = {} } = options;
        const isTrack = microphone instanceof MediaStreamTrack;
        const track = isTrack ? microphone : await orAnother(microphone, microphoneTrack);
        this.#useMicrophone(track);
      } catch (fault) {
        const code = codeOfMicrophoneFault(fault);
        throw new JoinError(code, fault instanceof Error ? fault.message : String(fault));
      }
    }
    const { camera } = options;
    if (this.#isClosed) return;
    if (camera instanceof MediaStreamTrack) this.#useCamera(camera);
    else if (camera) await orAnother(camera, (it) => this.startCamera(it)).catch(() => undefined);
  }

  get sent(): SentMedia {
    const video = this.#screen ? 'screen' : this.#camera ? 'camera' : 'none';
    return { microphone: this.#microphone !== null && !this.#isMuted, video };
  }

  get hasMicrophone(): boolean {
    return this.#microphone !== null;
  }

  /** For a preview of oneself; null when no picture is sent. */
  get videoTrack(): MediaStreamTrack | null {
    return this.#screen ?? this.#camera;
  }

  /**
   * The microphone while it is open, else silence: a stream that stops looks like a dead network.
   */
  get audioTrack(): MediaStreamTrack {
    return this.sent.microphone && this.#microphone ? this.#microphone : this.#silence.track;
  }

  /** The microphone itself, for a level meter that also works while muted. */
  get microphoneTrack(): MediaStreamTrack | null {
    return this.#microphone;
  }

  /** Gives a sender its track, and every later one. */
  feed(sender: RTCRtpSender, kind: 'audio' | 'video'): void {
    this.#senders.set(sender, kind);
    void this.#give(sender, kind);
  }

  /** Forgets the senders of a connection that is closed. */
  release(connection: RTCPeerConnection): void {
    for (const sender of connection.getSenders()) this.#senders.delete(sender);
  }

  setMuted(isMuted: boolean): void {
    if (this.#isMuted === isMuted) return;
    this.#isMuted = isMuted;
    // At once, before the senders have changed their track.
    if (this.#microphone) this.#microphone.enabled = !isMuted;
    this.#changed('audio');
  }

  async setMicrophone(deviceId: string): Promise<void> {
    this.#useMicrophone(await microphoneTrack({ deviceId: { exact: deviceId } }));
    this.#changed('audio');
  }

  /** What is used now, for a list of devices; empty when there is none. */
  deviceIds(): { microphone: string; camera: string } {
    const idOf = (track: MediaStreamTrack | null): string => track?.getSettings().deviceId ?? '';
    return { microphone: idOf(this.#microphone), camera: idOf(this.#camera) };
  }

  async startCamera(constraints: MediaTrackConstraints = {}): Promise<void> {
    const video = { ...CAMERA, ...constraints };
    const wish = (this.#wishes.camera += 1);
    const stream = await navigator.mediaDevices.getUserMedia({ video });
    const track = stream.getVideoTracks()[0];
    if (this.#isClosed || wish !== this.#wishes.camera) {
      track?.stop();
      return;
    }
    if (track) this.#useCamera(track);
    this.#changed('video');
  }

  stopCamera(): void {
    this.#wishes.camera += 1;
    this.#camera?.stop();
    this.#camera = null;
    this.#changed('video');
  }

  async startScreen(): Promise<void> {
    const wish = (this.#wishes.screen += 1);
    const stream = await navigator.mediaDevices.getDisplayMedia({
      video: { frameRate: { max: 15 } },
      audio: false,
    });
    const track = stream.getVideoTracks()[0];
    if (!track) return;
    if (this.#isClosed || wish !== this.#wishes.screen) {
      track.stop();
      return;
    }
    track.contentHint = 'detail';
    // The browser has a button of its own to stop sharing.
    track.addEventListener('ended', () => {
      if (this.#screen === track) this.stopScreen();
    });
    this.#screen?.stop();
    this.#screen = track;
    this.#changed('video');
  }

  stopScreen(): void {
    this.#wishes.screen += 1;
    this.#screen?.stop();
    this.#screen = null;
    this.#changed('video');
  }

  /** Everything is off from now on, also what the user is still being asked for. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const track of [this.#microphone, this.#camera, this.#screen]) track?.stop();
    this.#silence.stop();
    this.#microphone = this.#camera = this.#screen = null;
    this.#senders.clear();
  }

  #useMicrophone(track: MediaStreamTrack): void {
    if (this.#isClosed) {
      track.stop();
      return;
    }
    if (this.#microphone !== track) this.#microphone?.stop();
    this.#microphone = track;
    track.enabled = !this.#isMuted;
    track.addEventListener('ended', () => {
      if (this.#microphone !== track) return;
      this.#microphone = null;
      this.#changed('audio');
    });
  }

  #useCamera(track: MediaStreamTrack): void {
    if (this.#isClosed) {
      track.stop();
      return;
    }
    if (this.#camera !== track) this.#camera?.stop();
    this.#camera = track;
    track.contentHint = 'motion';
    track.addEventListener('ended', () => {
      if (this.#camera === track) this.stopCamera();
    });
  }

  #changed(kind: 'audio' | 'video'): void {
    if (this.#isClosed) return;
    for (const [sender, wanted] of this.#senders) {
      if (wanted === kind) void this.#give(sender, kind);
    }
    this.#onChanged();
  }

  /**
   * While muted the senders carry silence and not the disabled microphone, because JsSIP enables
   * the track of every audio sender when it renegotiates.
   */
  async #give(sender: RTCRtpSender, kind: 'audio' | 'video'): Promise<void> {
    try {
      await sender.replaceTrack(kind === 'audio' ? this.audioTrack : this.videoTrack);
    } catch {
      this.#senders.delete(sender);
    }
  }
}

/** Opens what is wanted; when there is no such device, any of its kind. */
async function orAnother<T>(
  wanted: MediaTrackConstraints,
  open: (wanted: MediaTrackConstraints) => Promise<T>,
): Promise<T> {
  try {
    return await open(wanted);
  } catch (fault) {
    const isGone = fault instanceof Error && fault.name === 'OverconstrainedError';
    if (!isGone || wanted.deviceId === undefined) throw fault;
    const { deviceId: _, ...others } = wanted;
    return open(others);
  }
}

async function microphoneTrack(wanted: MediaTrackConstraints): Promise<MediaStreamTrack> {
  const audio = { ...MICROPHONE, ...wanted };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const track = stream.getAudioTracks()[0];
  if (!track) throw new DOMException('no microphone', 'NotFoundError');
  return track;
}

interface SilentTrack {
  track: MediaStreamTrack;
  stop: () => void;
}

function silentTrack(context: AudioContext): SilentTrack {
  const destination = context.createMediaStreamDestination();
  const source = new ConstantSourceNode(context, { offset: 0 });
  source.connect(destination);
  source.start();
  const track = destination.stream.getAudioTracks()[0];
  if (!track) throw new Error('a media stream destination has an audio track');
  return {
    track,
    stop: () => {
      source.stop();
      track.stop();
    },
  };
}

/** Bits per second for our picture to each of `peers` others: the uplink is shared among them. */
export function videoBitrate(peers: number): number {
  const total = 3_000_000;
  return Math.round(Math.min(1_200_000, Math.max(150_000, total / Math.max(1, peers))));
}
