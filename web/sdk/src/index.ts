/**
 * Joins a talkpath conference from a browser: sound of the telephones through the server, sound and
 * picture of the other browsers directly, messages, one identity over network losses and reloads.
 */

import { requestAdmission } from './api.js';
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
 * of the conference at once: `connected` or `ended` is one of the next. Throws `JoinError`.
 */
export async function join(options: JoinOptions): Promise<Conference> {
  const displayName = options.displayName.trim();
  if (displayName === '') throw new JoinError('name-missing', 'A name is needed.');
  requireBrowser();
  const wanted: JoinOptions = { ...options, displayName };
  const storage = options.storage === undefined ? window.sessionStorage : options.storage;

  const context = new AudioContext();
  let conference: Conference | null = null;
  const media = new LocalMedia(context, () => conference?.handleMediaChanged());
  try {
    await media.open(wanted);
    const { admission, release } = await admit(wanted, storage);
    const prepared = { options: wanted, storage, admission, release, media, context };
    conference = new Conference(prepared);
    return conference;
  } catch (fault) {
    media.close();
    void context.close();
    throw fault;
  }
}

/** The identity from before a reload, if it is ours alone and still valid; else a new one. */
async function admit({ baseUrl, room, displayName }: JoinOptions, storage: Storage | null) {
  const kept = recall(storage, baseUrl, room, displayName, Date.now());
  const claimed = kept && (await claim(kept.username));
  if (kept && claimed) return { admission: kept, release: claimed };
  const admission = await requestAdmission(baseUrl, room, displayName);
  keep(storage, baseUrl, room, displayName, admission);
  const release = (await claim(admission.username)) ?? (() => undefined);
  return { admission, release };
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
