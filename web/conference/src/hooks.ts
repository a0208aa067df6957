/** What components share: subscriptions, devices, and values that follow the browser. */

import type { Levels } from '@talkpath/web';
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks';
import type { RefObject } from 'preact';
import { bestColumns } from './people.js';
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

/** The number of columns for `count` tiles in an element, as its size changes. */
export function useColumns(count: number): { ref: RefObject<HTMLDivElement>; columns: number } {
  const ref = useRef<HTMLDivElement>(null);
  const [columns, setColumns] = useState(1);
  useLayoutEffect(() => {
    const element = ref.current;
    if (element === null) return undefined;
    const fit = (): void =>
      setColumns(bestColumns(count, element.clientWidth, element.clientHeight));
    fit();
    const observer = new ResizeObserver(fit);
    observer.observe(element);
    return () => observer.disconnect();
  }, [count]);
  return { ref, columns };
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

/** Keyboard shortcuts with Alt, which do not take letters from those who type. */
export function useShortcuts(actions: Readonly<Record<string, () => void>>): void {
  const current = useRef(actions);
  current.current = actions;
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return;
      const act = current.current[event.code];
      if (act === undefined) return;
      event.preventDefault();
      act();
    };
    window.addEventListener('keydown', listen);
    return () => window.removeEventListener('keydown', listen);
  }, []);
}
