/** Which of the page's four faces is shown: start, lobby, call, or the end of a call. */

import { join, type JoinOptions } from '@talkpath/web';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Call } from './call.js';
import { Ended } from './ended.js';
import { Home } from './home.js';
import { Lobby, type LobbyChoice } from './lobby.js';
import { forgetCall, interruptedCall, type KeptCall, rememberCall, rememberName } from './memory.js';
import { roomOfPath } from './room.js';
import { CallSession } from './session.js';
import { RESTARTING, type Words, wordsOfFault } from './words.js';

type Face =
  | { kind: 'lobby'; problem: Words | null; attempt: number }
  | { kind: 'joining' }
  | { kind: 'call'; session: CallSession };

type Choice = Omit<JoinOptions, 'baseUrl' | 'room' | 'signal' | 'onWaiting'>;

const FIRST_LOBBY: Face = { kind: 'lobby', problem: null, attempt: 0 };

function attemptOf(face: Face): number {
  return face.kind === 'lobby' ? face.attempt : 0;
}

export function App() {
  const [path, setPath] = useState(location.pathname);
  useEffect(() => {
    const read = (): void => setPath(location.pathname);
    window.addEventListener('popstate', read);
    return () => window.removeEventListener('popstate', read);
  }, []);
  const open = useCallback((room: string) => {
    history.pushState(null, '', `/join/${room}`);
    setPath(location.pathname);
  }, []);

  const room = roomOfPath(path);
  if (room === null) return <Home onRoom={open} problem={null} />;
  if (room === '') {
    const problem = { title: 'This link leads nowhere', text: 'Ask for a new one, or start here.' };
    return <Home onRoom={open} problem={problem} />;
  }
  return <Room key={room} room={room} />;
}

function Room({ room }: { room: string }) {
  const [face, setFace] = useState<Face>(() =>
    interruptedCall(room) ? { kind: 'joining' } : FIRST_LOBBY,
  );
  const [isWaiting, setWaiting] = useState(false);
  const leaving = useLeaving();

  const enter = useCallback(
    async (choice: Choice) => {
      rememberName(choice.displayName);
      const onWaiting = (): void => setWaiting(true);
      const options = { ...choice, baseUrl: location.origin, room, signal: leaving, onWaiting };
      try {
        const conference = await join(options);
        leaving.addEventListener('abort', () => conference.leave());
        const session = new CallSession(conference, choice.displayName);
        watchForReload(room, session);
        setFace({ kind: 'call', session });
      } catch (fault) {
        forgetCall(room);
        if (leaving.aborted) return;
        // The lobby starts afresh: its microphone and camera went into the attempt.
        const problem = wordsOfFault(fault);
        setFace((face) => ({ kind: 'lobby', problem, attempt: attemptOf(face) + 1 }));
      } finally {
        setWaiting(false);
      }
    },
    [room, leaving],
  );

  useEffect(() => {
    const kept = interruptedCall(room);
    if (kept !== null) void enter(choiceOf(kept));
  }, [room, enter]);

  const choose = async (choice: LobbyChoice): Promise<void> => {
    await enter({
      displayName: choice.name,
      microphone: choice.microphone ?? false,
      muted: choice.isMuted,
      ...(choice.camera ? { camera: choice.camera } : {}),
      ...(choice.speaker ? { speaker: choice.speaker } : {}),
    });
  };

  switch (face.kind) {
    case 'lobby': {
      const { attempt, problem } = face;
      const words = isWaiting ? RESTARTING : problem;
      return <Lobby key={attempt} room={room} problem={words} onJoin={choose} />;
    }
    case 'joining':
      return <Joining isWaiting={isWaiting} />;
    case 'call': {
      const { session } = face;
      const again = (): void => setFace(FIRST_LOBBY);
      const back = (): void => {
        setFace({ kind: 'joining' });
        void enter(choiceOf(session.toKeep()));
      };
      return <Call session={session} ended={(end) => <Ended {...{ end, again, back }} />} />;
    }
  }
}

/**
 * Aborted when the person goes elsewhere: by the browser's Back, to another room, or to a page from
 * which the browser can bring this one back. What is brought back starts afresh.
 */
function useLeaving(): AbortSignal {
  const { current: controller } = useRef(new AbortController());
  useEffect(() => {
    const { signal } = controller;
    const hidden = (event: PageTransitionEvent): void => {
      if (event.persisted) controller.abort();
    };
    const shown = (event: PageTransitionEvent): void => {
      if (event.persisted) location.reload();
    };
    window.addEventListener('pagehide', hidden);
    window.addEventListener('pageshow', shown);
    signal.addEventListener('abort', () => window.removeEventListener('pagehide', hidden));
    return () => {
      window.removeEventListener('pageshow', shown);
      controller.abort();
    };
  }, [controller]);
  return controller.signal;
}

function Joining({ isWaiting }: { isWaiting: boolean }) {
  return (
    <main class="centre">
      <div class="spinner" />
      <p role="status">{isWaiting ? RESTARTING.text : 'Joining the conference…'}</p>
    </main>
  );
}

/** Joins as before, with the same devices as far as they are there. */
function choiceOf({ name, isMuted, camera, microphone, devices }: KeptCall): Choice {
  // Chromium passes over an ideal device; the SDK takes another one when this one has gone.
  const by = (id: string) => (id ? { deviceId: { exact: id } } : {});
  return {
    displayName: name,
    muted: isMuted,
    microphone: microphone && by(devices.microphone),
    camera: camera && by(devices.camera),
    ...(devices.speaker ? { speaker: devices.speaker } : {}),
  };
}

/** A reload in the middle of a call goes straight back into it. */
function watchForReload(room: string, session: CallSession): void {
  session.subscribe(() => {
    const { phase, end } = session.state;
    if (phase !== 'ended') rememberCall(room, session.toKeep());
    else if (end?.reason !== 'unreachable') forgetCall(room);
  });
}
