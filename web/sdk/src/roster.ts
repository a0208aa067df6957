/** Differences between two rosters, as joins and leaves. */

import type { RosterPhone } from './messages.js';
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
 * The telephones after this roster, each with the key that it had before. Two with the same caller
 * id are two telephones: numbers are masked. The id tells them apart, or their order without one.
 */
export function matchPhones(before: readonly Phone[], listed: readonly RosterPhone[]): Phone[] {
  const counts = new Map<string, number>();
  return listed.map(({ id, callerId }) => {
    const name = id || callerId;
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    const key = `${name}#${count}`;
    return before.find((phone) => phone.key === key) ?? { key, callerId };
  });
}
