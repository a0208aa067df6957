/**
 * Who we are at the server, kept over a reload of the page and shared by the pages of one browser:
 * one person, who is in a room under one name, is in it once.
 *
 * Two pages with one identity would throw each other out for ever. So an identity is used under a
 * lock of the browser, which ends with the page. The page that joins last takes the lock, and the
 * one that had it is told.
 */

import { type Admission, parseAdmission } from './api.js';

/** A token that expires sooner than this is exchanged before it is used. */
const REMAINING_MS = 30_000;
/** A server may know a guest that long after its token has expired. */
const KEPT_MS = 12 * 3_600_000;

const PREFIX = 'talkpath:';

/** Which identity: of a server, a room, and the name that was asked for. */
export interface Who {
  baseUrl: string;
  room: string;
  displayName: string;
}

/** A kept admission, and whether its token can be used as it is. */
export interface Recalled {
  admission: Admission;
  isFresh: boolean;
}

/** The kept admission; its token says to the server who we are even when it has expired. */
export function recall(storage: Storage | null, who: Who, now: number): Recalled | null {
  const admission = read(storage, keyOf(who));
  if (admission === null || admission.expiresAt + KEPT_MS < now) return null;
  return { admission, isFresh: admission.expiresAt - now > REMAINING_MS };
}

/**
 * Keeps an admission; a full or forbidden storage only means that a reload joins as somebody new.
 */
export function keep(storage: Storage | null, who: Who, admission: Admission, now: number): void {
  try {
    for (const key of keysOf(storage)) {
      const other = read(storage, key);
      if (other === null || other.expiresAt + KEPT_MS < now) storage?.removeItem(key);
    }
    storage?.setItem(keyOf(who), JSON.stringify(admission));
  } catch {
    // Nothing depends on it.
  }
}

export function forget(storage: Storage | null, who: Who): void {
  try {
    storage?.removeItem(keyOf(who));
  } catch {
    // Nothing depends on it.
  }
}

/**
 * Takes the browser-wide lock of an identity from whatever page has it. `onTaken` is called when
 * another page takes it in turn. Gives what releases it.
 */
export async function claim(who: Who, onTaken: () => void): Promise<() => void> {
  // Pages without https have no locks, and no microphone either.
  const locks = navigator.locks as LockManager | undefined;
  if (locks === undefined) return () => undefined;
  return new Promise((resolve) => {
    let isHeld = false;
    const held = (): Promise<void> => {
      isHeld = true;
      return new Promise((release) => resolve(release));
    };
    locks.request(keyOf(who), { steal: true }, held).catch(() => {
      if (isHeld) onTaken();
      else resolve(() => undefined);
    });
  });
}

function keyOf({ baseUrl, room, displayName }: Who): string {
  return `${PREFIX}${new URL(baseUrl).host}/${room}/${encodeURIComponent(displayName)}`;
}

function keysOf(storage: Storage | null): string[] {
  const keys = Array.from({ length: storage?.length ?? 0 }, (_, index) => storage?.key(index));
  return keys.filter((key): key is string => key?.startsWith(PREFIX) ?? false);
}

function read(storage: Storage | null, key: string): Admission | null {
  try {
    const text = storage?.getItem(key);
    return text ? parseAdmission(JSON.parse(text)) : null;
  } catch {
    return null;
  }
}
