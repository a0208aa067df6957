/** Differences between two rosters, as joins and leaves. */

import type { Phone } from './types.js';

export interface Change<T> {
  joined: T[];
  left: T[];
}

/** Ids that are new, and ids that are gone. */
export function compareIds(before: Iterable<string>, after: Iterable<string>): Change<string> {
  const old = new Set(before);
  const fresh = new Set(after);
  return {
    joined: [...fresh].filter((id) => !old.has(id)),
    left: [...old].filter((id) => !fresh.has(id)),
  };
}

/**
 * The telephones after a roster with these caller ids, each with the key that it had before. Two
 * with the same caller id are two telephones.
 */
export function matchPhones(before: readonly Phone[], callerIds: readonly string[]): Phone[] {
  const counts = new Map<string, number>();
  return callerIds.map((callerId) => {
    const count = (counts.get(callerId) ?? 0) + 1;
    counts.set(callerId, count);
    const key = `${callerId}#${count}`;
    return before.find((phone) => phone.key === key) ?? { key, callerId };
  });
}
