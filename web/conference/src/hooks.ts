/** What components share: subscriptions, devices, and values that follow the browser. */

import type { Levels } from '@talkpath/web';
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks';
import type { RefObject } from 'preact';
import { fitTiles, SMALL_TILES_MAX, TILES_MAX } from './people.js';
import type { CallSession, State } from './session.js';

export function useSession(session: CallSession): State {
  const [, update] = useReducer((count: number) => count + 1, 0);
  useEffect(() => session.subscribe(() => update(undefined)), [session]);
  return session.state;
}

/** Writes a level into `--level` of an element, without rendering. */
export function useLevel(
  session: CallSession,
  pick: (levels: Levels) => number,
): RefObject<HTMLDivElement> {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(
    () =>
      session.subscribeLevels((levels) => {
        ref.current?.style.setProperty('--level', pick(levels).toFixed(2));
      }),
    [session, pick],
  );
  return ref;
}

export interface Devices {
  microphones: MediaDeviceInfo[];
  cameras: MediaDeviceInfo[];
  speakers: MediaDeviceInfo[];
}

const NO_DEVICES: Devices = { microphones: [], cameras: [], speakers: [] };

/**
 * The devices, also when one is plugged in. `permission` changes when names may have become known.
 */
export function useDevices(permission: unknown): Devices {
  const [devices, setDevices] = useState(NO_DEVICES);
  useEffect(() => {
    const media = navigator.mediaDevices as MediaDevices | undefined;
    if (media === undefined) return undefined;
    const read = (): void => {
      media.enumerateDevices().then(
        (all) => setDevices(sorted(all)),
        () => setDevices(NO_DEVICES),
      );
    };
    read();
    media.addEventListener('devicechange', read);
    return () => media.removeEventListener('devicechange', read);
  }, [permission]);
  return devices;
}

function sorted(all: MediaDeviceInfo[]): Devices {
  const of = (kind: MediaDeviceKind) =>
    all.filter((one) => one.kind === kind && one.deviceId !== '');
  return { microphones: of('audioinput'), cameras: of('videoinput'), speakers: of('audiooutput') };
}

const SMALL_WINDOW = '(max-width: 500px), (max-height: 480px)';

/** Most tiles at once in a window of this size. */
export function useTilesMax(): number {
  const [isSmall, setSmall] = useState(() => matchMedia(SMALL_WINDOW).matches);
  useEffect(() => {
    const query = matchMedia(SMALL_WINDOW);
    const read = (): void => setSmall(query.matches);
    read();
    query.addEventListener('change', read);
    return () => query.removeEventListener('change', read);
  }, []);
  return isSmall ? SMALL_TILES_MAX : TILES_MAX;
}

/** Gives the tiles of an element their size as `--tile-width` and `--tile-height`. */
export function useTileSize(count: number): RefObject<HTMLDivElement> {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = ref.current;
    if (element === null) return undefined;
    const fit = (): void => {
      const { width, height } = fitTiles(count, element.clientWidth, element.clientHeight);
      element.style.setProperty('--tile-width', `${width}px`);
      element.style.setProperty('--tile-height', `${height}px`);
    };
    fit();
    const observer = new ResizeObserver(fit);
    observer.observe(element);
    return () => observer.disconnect();
  }, [count]);
  return ref;
}

/** Whether a stream has a picture at the moment. */
export function useHasPicture(stream: MediaStream | null): boolean {
  const [hasPicture, setHasPicture] = useState(false);
  useEffect(() => {
    const read = (): void => {
      const tracks = stream?.getVideoTracks() ?? [];
      setHasPicture(tracks.some((track) => track.readyState === 'live' && !track.muted));
    };
    read();
    const tracks = stream?.getVideoTracks() ?? [];
    const names = ['mute', 'unmute', 'ended'];
    for (const track of tracks) for (const name of names) track.addEventListener(name, read);
    return () => {
      for (const track of tracks) for (const name of names) track.removeEventListener(name, read);
    };
  }, [stream, stream?.getVideoTracks().length]);
  return hasPicture;
}

/** Where keys write: on several keyboards Alt with a letter is a letter too. */
function isWriting(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.matches('input, textarea, select');
}

/** Keyboard shortcuts with Alt, which do not take letters from those who type. */
export function useShortcuts(actions: Readonly<Record<string, () => void>>): void {
  const current = useRef(actions);
  current.current = actions;
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return;
      const act = current.current[event.code];
      if (act === undefined || isWriting(event.target)) return;
      event.preventDefault();
      act();
    };
    window.addEventListener('keydown', listen);
    return () => window.removeEventListener('keydown', listen);
  }, []);
}
