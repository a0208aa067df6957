/**
 * Who we are at the server, kept over a reload of the page.
 *
 * A tab that is duplicated copies its `sessionStorage`, and two pages with one identity would throw
 * each other out for ever. So an identity is used under a lock of the browser, which ends with the
 * page.
 */

import { type Admission, parseAdmission } from './api.js';

/** A token that expires sooner than this is not worth a try. */
const REMAINING_MS = 30_000;

const PREFIX = 'talkpath:';

interface Kept {
  askedName: string;
  admission: Admission;
}

/** The kept admission for a room and a name, if its token can still be used. */
export function recall(
  storage: Storage | null,
  baseUrl: string,
  room: string,
  displayName: string,
  now: number,
): Admission | null {
  try {
    const text = storage?.getItem(keyOf(baseUrl, room));
    const kept = (text ? JSON.parse(text) : null) as Kept | null;
    // The name that was asked for: the server may have written it differently.
    const admission = kept?.askedName === displayName ? parseAdmission(kept.admission) : null;
    if (admission === null) return null;
    return admission.expiresAt - now > REMAINING_MS ? admission : null;
  } catch {
    return null;
  }
}

/**
 * Keeps an admission; a full or forbidden storage only means that a reload joins as somebody new.
 */
export function keep(
  storage: Storage | null,
  baseUrl: string,
  room: string,
  askedName: string,
  admission: Admission,
): void {
  try {
    const kept: Kept = { askedName, admission };
    storage?.setItem(keyOf(baseUrl, room), JSON.stringify(kept));
  } catch {
    // Nothing depends on it.
  }
}

/** Forgets the identity of a room. */
export function forget(storage: Storage | null, baseUrl: string, room: string): void {
  try {
    storage?.removeItem(keyOf(baseUrl, room));
  } catch {
    // Nothing depends on it.
  }
}

/** Takes the browser-wide lock of an identity; null when another page has it. */
export async function claim(username: string): Promise<(() => void) | null> {
  const locks = navigator.locks as LockManager | undefined;
  if (locks === undefined) return () => undefined;
  return new Promise((resolve) => {
    const held = (lock: Lock | null): Promise<void> | undefined => {
      if (lock === null) {
        resolve(null);
        return undefined;
      }
      return new Promise<void>((release) => resolve(release));
    };
    locks
      .request(PREFIX + username, { ifAvailable: true }, held)
      .catch(() => resolve(() => undefined));
  });
}

function keyOf(baseUrl: string, room: string): string {
  return `${PREFIX}${new URL(baseUrl).host}/${room}`;
}
