/**
 * Joins a talkpath conference from a browser: sound of the telephones through the server, sound and
 * picture of the other browsers directly, messages, one identity over network losses and reloads.
 */

import { type Admission, type Ask, requestAdmissionPatiently } from './api.js';
import { Conference } from './conference.js';
import { JoinError } from './errors.js';
import { claim, keep, recall } from './identity.js';
import { LocalMedia } from './media.js';
import type { JoinOptions } from './types.js';

export { Conference } from './conference.js';
export { JoinError, type JoinErrorCode } from './errors.js';
export { levelOf } from './speaking.js';
export { CAMERA, MICROPHONE } from './media.js';
export type { Listener } from './emitter.js';
export type * from './types.js';

/**
 * Asks the server to let us in, opens the microphone, and starts to connect. Listen to the events
 * of the conference at once: `connected` or `ended` is one of the next. Throws `JoinError`, or what
 * `signal` was aborted with.
 *
 * The tracks in `options` are the conference's from now on: they end with it, and also when this
 * throws.
 */
export async function join(options: JoinOptions): Promise<Conference> {
  const attempt = new Attempt(options);
  const { signal } = options;
  const stop = (): void => attempt.close();
  signal?.addEventListener('abort', stop);
  try {
    signal?.throwIfAborted();
    return await attempt.join();
  } catch (fault) {
    attempt.close();
    throw fault;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** What an attempt to join has opened, and must close when it fails or is given up. */
class Attempt {
  readonly #options: JoinOptions;
  #context: AudioContext | null = null;
  #media: LocalMedia | null = null;
  #release: () => void = () => undefined;

  constructor(options: JoinOptions) {
    this.#options = { ...options, displayName: options.displayName.trim() };
  }

  async join(): Promise<Conference> {
    const options = this.#options;
    if (options.displayName === '') throw new JoinError('name-missing', 'A name is needed.');
    requireBrowser();
    const storage = options.storage === undefined ? browserStorage() : options.storage;
    const context = new AudioContext();
    this.#context = context;
    let conference: Conference | null = null;
    let isTaken = false;
    const media = new LocalMedia(context, () => conference?.handleMediaChanged());
    this.#media = media;
    await media.open(options);
    const admission = await this.#admit(storage);
    this.#release = await claim(options, () => {
      isTaken = true;
      conference?.handleTakenOver();
    });
    options.signal?.throwIfAborted();
    const release = this.#release;
    conference = new Conference({ options, storage, admission, release, media, context });
    if (isTaken) queueMicrotask(() => conference?.handleTakenOver());
    return conference;
  }

  close(): void {
    const { microphone, camera } = this.#options;
    for (const track of [microphone, camera]) {
      if (track instanceof MediaStreamTrack) track.stop();
    }
    this.#media?.close();
    if (this.#context?.state !== 'closed') void this.#context?.close();
    this.#release();
  }

  /**
   * As who we were before, if the server still knows that one: it is asked, because a login that it
   * has forgotten would count as a wrong one.
   */
  async #admit(storage: Storage | null): Promise<Admission> {
    const { baseUrl, room, displayName, signal, onWaiting } = this.#options;
    const kept = recall(storage, this.#options, Date.now());
    const ask: Ask = { baseUrl, room, displayName };
    if (kept) ask.token = kept.admission.token;
    if (signal) ask.signal = signal;
    try {
      const admission = await requestAdmissionPatiently(ask, () => onWaiting?.());
      keep(storage, this.#options, admission, Date.now());
      return admission;
    } catch (fault) {
      const isCrowd = fault instanceof JoinError && fault.code === 'too-many-requests';
      if (isCrowd && kept?.isFresh) return kept.admission;
      throw fault;
    }
  }
}

/** Null where the browser forbids it. */
function browserStorage(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

function requireBrowser(): void {
  const hasDevices = (navigator.mediaDevices as MediaDevices | undefined) !== undefined;
  if (!hasDevices || !('RTCPeerConnection' in window)) {
    throw new JoinError(
      'browser-too-old',
      'The browser has no WebRTC here. Pages need https for it, except on localhost.',
    );
  }
}
