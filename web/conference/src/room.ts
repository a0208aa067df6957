/** Rooms: their ids, how they are written for people, and their links. */

/** Digits in a new room's id: it is also the PIN for telephones, which type 3 to 12 digits. */
const NEW_ROOM_DIGITS = 9;

/** A random room id, which is its PIN too. Never starts with 0, which some telephones swallow. */
export function newRoom(random: (bytes: Uint8Array) => void = fillRandom): string {
  const bytes = new Uint8Array(1);
  let room = '';
  while (room.length < NEW_ROOM_DIGITS) {
    random(bytes);
    const byte = bytes[0] ?? 255;
    // 250 and more would make the low digits likelier.
    if (byte >= 250) continue;
    const digit = byte % 10;
    if (room !== '' || digit !== 0) room += String(digit);
  }
  return room;
}

function fillRandom(bytes: Uint8Array): void {
  crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>);
}

/**
 * The room of a path such as `/join/1234`; null for the start page, empty when it makes no sense.
 */
export function roomOfPath(path: string): string | null {
  if (path === '/' || path === '') return null;
  const segment = /^\/join\/([^/]+)\/?$/.exec(path)?.[1];
  if (segment === undefined) return '';
  return isRoom(segment) ? segment : '';
}

export function isRoom(text: string): boolean {
  return /^[A-Za-z0-9]{3,64}$/.test(text);
}

/** What somebody typed, or pasted as a link, as a room id; empty when it is none. */
export function roomOfInput(text: string): string {
  const fromLink = /\/join\/([A-Za-z0-9]+)/.exec(text)?.[1];
  const room = fromLink ?? text.replace(/[\s.-]/g, '');
  return isRoom(room) ? room : '';
}

/** The PIN for telephones; empty when the room's id cannot be typed on one. */
export function pinOfRoom(room: string): string {
  return /^\d{3,12}$/.test(room) ? room : '';
}

/** `123456789` as `123 456 789`; other ids as they are. */
export function readableRoom(room: string): string {
  if (!/^\d{6,}$/.test(room)) return room;
  return room.replace(/(\d{3})(?=\d{2})/g, '$1 ').trim();
}

export function linkOfRoom(origin: string, room: string): string {
  return `${origin}/join/${room}`;
}
