/**
 * The JSON of the conference, checked: what arrives in INFO requests, and what we may send.
 *
 * Messages between participants travel as `{type, data, id?, to?}` to the conference and as
 * `{type, from, displayName, data, id?, to?}` from it.
 */

import type { SentMedia } from './types.js';

/** Bytes that an INFO body may have. */
export const MESSAGE_BYTES_MAX = 8192;
/** What the conference takes as the type of a message of ours. */
const TYPE = /^[a-z].{0,63}$/su;
/** Members of a roster beyond this number are not shown. */
const ROSTER_MAX = 1000;
const NAME_CHARS_MAX = 256;
const ID_CHARS_MAX = 64;

export interface RosterPeer {
  id: string;
  displayName: string;
}

/** A telephone as the conference lists it; without an id from one that gives none. */
export interface RosterPhone {
  id: string;
  callerId: string;
}

export type Incoming =
  | { kind: 'roster'; peers: RosterPeer[]; phones: RosterPhone[]; morePhones: number }
  | { kind: 'ice-failed'; callee: string }
  | { kind: 'phone'; status: PhoneStatus; number: string; reason: string }
  | { kind: 'fault'; about: string; text: string }
  | {
      kind: 'message';
      type: string;
      from: string;
      displayName: string;
      data: unknown;
      to: string | null;
      /** The sender's own id for it; null when it gave none. */
      id: string | null;
    };

export type PhoneStatus = 'calling' | 'connected' | 'disconnected' | 'failed';

const PHONE_STATUS: Readonly<Record<string, PhoneStatus>> = {
  CALL_PARTICIPANT: 'calling',
  CALL_PARTICIPANT_CONNECTED: 'connected',
  CALL_PARTICIPANT_DISCONNECTED: 'disconnected',
  CALL_PARTICIPANT_FAILED: 'failed',
};

/** Types with a meaning of their own, which participants cannot send as messages. */
const RESERVED = new Set([...Object.keys(PHONE_STATUS), 'ICE_FAILED', 'ICE_CONNECTED', 'ERROR']);

/** Reads the body of an INFO request; null when it is nothing that a conference sends. */
export function parseIncoming(text: string): Incoming | null {
  const value = parseObject(text);
  if (value === null) return null;
  if (value.type === undefined) {
    return Array.isArray(value.peers) ? parseRoster(value) : null;
  }
  if (typeof value.type !== 'string' || value.type === '') return null;
  const status = Object.hasOwn(PHONE_STATUS, value.type) ? PHONE_STATUS[value.type] : undefined;
  if (status !== undefined) {
    const number = textOf(value.number);
    return number ? { kind: 'phone', status, number, reason: textOf(value.reason) } : null;
  }
  if (value.type === 'ICE_FAILED') {
    const callee = userOf(textOf(value.callee));
    return callee ? { kind: 'ice-failed', callee } : null;
  }
  if (value.type === 'ERROR') {
    return { kind: 'fault', about: textOf(value.about), text: textOf(value.text) };
  }
  return {
    kind: 'message',
    type: value.type,
    from: userOf(textOf(value.from)),
    displayName: textOf(value.displayName).slice(0, NAME_CHARS_MAX),
    data: value.data ?? null,
    to: typeof value.to === 'string' ? userOf(value.to) : null,
    id: typeof value.id === 'string' && value.id.length <= ID_CHARS_MAX ? value.id : null,
  };
}

function parseRoster(value: Record<string, unknown>): Incoming {
  const peers = new Map<string, RosterPeer>();
  for (const one of listOf(value.peers)) {
    const id = userOf(textOf(one.callerid));
    const displayName = textOf(one.displayName).slice(0, NAME_CHARS_MAX);
    if (id) peers.set(id, { id, displayName: displayName || id });
  }
  const phones = listOf(value.pstnCalls).map((one) => ({
    id: textOf(one.id),
    callerId: userOf(textOf(one.callerid)),
  }));
  const more = value.morePstnCalls;
  const morePhones = Number.isSafeInteger(more) ? Math.max(0, more as number) : 0;
  return { kind: 'roster', peers: [...peers.values()], phones, morePhones };
}

/**
 * The JSON for `sendMessage`. Throws `TypeError` or `RangeError` for what cannot be sent. By `id`
 * those who get it tell a message that is sent again from a second one.
 */
export function writeMessage(type: string, data: unknown, id: string, to?: string): string {
  if (!TYPE.test(type) && !RESERVED.has(type)) {
    throw new RangeError('a message type has 1 to 64 characters and begins with a small letter');
  }
  if (RESERVED.has(type)) throw new TypeError(`the conference itself uses the type ${type}`);
  return checkedLength(JSON.stringify({ type, data, to, id }));
}

export function writeIceFailed(caller: string, callee: string, displayName: string): string {
  return checkedLength(JSON.stringify({ type: 'ICE_FAILED', caller, callee, displayName }));
}

/** Tells the conference that a pair which it may be relaying has a direct connection again. */
export function writeIceConnected(caller: string, callee: string): string {
  return checkedLength(JSON.stringify({ type: 'ICE_CONNECTED', caller, callee }));
}

/** What one browser tells another on their direct call. */
export function writeSentMedia(sent: SentMedia): string {
  return JSON.stringify({ type: 'MEDIA', ...sent });
}

/** The opposite of `writeSentMedia`; null for any other text. */
export function parseSentMedia(text: string): SentMedia | null {
  const value = parseObject(text);
  if (value?.type !== 'MEDIA' || typeof value.microphone !== 'boolean') return null;
  const { microphone, video } = value;
  if (video !== 'camera' && video !== 'screen' && video !== 'none') return null;
  return { microphone, video };
}

/** The user of `sip:user@domain`; other text is itself. */
export function userOf(address: string): string {
  return address.replace(/^sips?:/i, '').replace(/@.*$/s, '');
}

function checkedLength(text: string): string {
  if (byteLength(text) > MESSAGE_BYTES_MAX) {
    throw new RangeError(`a message has at most ${MESSAGE_BYTES_MAX} bytes`);
  }
  return text;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function listOf(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value)) return [];
  return value
    .slice(0, ROSTER_MAX)
    .filter((one: unknown) => typeof one === 'object' && one !== null) as Record<string, unknown>[];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
