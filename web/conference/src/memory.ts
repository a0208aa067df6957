/** What the page remembers: a name over visits, and a call over a reload. */

const NAME = 'talkpath-page:name';
const CALL = 'talkpath-page:call:';

export interface KeptCall {
  name: string;
  isMuted: boolean;
  camera: boolean;
  microphone: boolean;
  devices: Devices;
}

/** The devices that were used, by `deviceId`; empty for the browser's own choice. */
export interface Devices {
  microphone: string;
  camera: string;
  speaker: string;
}

export const ANY_DEVICES: Devices = { microphone: '', camera: '', speaker: '' };

export function rememberedName(): string {
  return read(() => window.localStorage.getItem(NAME)) ?? '';
}

export function rememberName(name: string): void {
  read(() => window.localStorage.setItem(NAME, name));
}

/** The call that a reload of the page interrupted; null when there was none. */
export function interruptedCall(room: string): KeptCall | null {
  const text = read(() => window.sessionStorage.getItem(CALL + room));
  if (!text) return null;
  try {
    const kept = JSON.parse(text) as Partial<KeptCall>;
    if (typeof kept.name !== 'string' || kept.name === '') return null;
    const { name, isMuted = false, camera = false, microphone = true } = kept;
    return { name, isMuted, camera, microphone, devices: { ...ANY_DEVICES, ...kept.devices } };
  } catch {
    return null;
  }
}

export function rememberCall(room: string, call: KeptCall): void {
  read(() => window.sessionStorage.setItem(CALL + room, JSON.stringify(call)));
}

export function forgetCall(room: string): void {
  read(() => window.sessionStorage.removeItem(CALL + room));
}

/** Storage can be forbidden or full, and the page works without. */
function read<T>(act: () => T): T | null {
  try {
    return act();
  } catch {
    return null;
  }
}
