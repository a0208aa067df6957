/** Which of the page's four faces is shown: start, lobby, call, or the end of a call. */

import { join, type JoinOptions } from '@talkpath/web';
import { useCallback, useEffect, useState } from 'preact/hooks';
import { Call } from './call.js';
import { Ended } from './ended.js';
import { Home } from './home.js';
import { Lobby, type LobbyChoice } from './lobby.js';
import { forgetCall, interruptedCall, rememberCall, rememberName } from './memory.js';
import { roomOfPath } from './room.js';
import { CallSession } from './session.js';
import { type Words, wordsOfFault } from './words.js';

type Face =
  | { kind: 'lobby'; problem: Words | null; attempt: number }
  | { kind: 'joining' }
  | { kind: 'call'; session: CallSession };

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

  const enter = useCallback(
    async (options: Omit<JoinOptions, 'baseUrl' | 'room'>) => {
      rememberName(options.displayName);
      try {
        const conference = await join({ baseUrl: location.origin, room, ...options });
        const session = new CallSession(conference);
        watchForReload(room, options.displayName, session);
        setFace({ kind: 'call', session });
      } catch (fault) {
        forgetCall(room);
        // The lobby starts afresh: its microphone and camera went into the attempt.
        const problem = wordsOfFault(fault);
        setFace((face) => ({ kind: 'lobby', problem, attempt: attemptOf(face) + 1 }));
      }
    },
    [room],
  );

  useEffect(() => {
    const kept = interruptedCall(room);
    if (kept === null) return;
    void enter({
      displayName: kept.name,
      muted: kept.isMuted,
      ...(kept.microphone ? {} : { microphone: false }),
      ...(kept.camera ? { camera: {} } : {}),
    });
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
    case 'lobby':
      return <Lobby key={face.attempt} room={room} problem={face.problem} onJoin={choose} />;
    case 'joining':
      return <Joining />;
    case 'call': {
      const again = (): void => setFace(FIRST_LOBBY);
      return <Call session={face.session} ended={(end) => <Ended end={end} onAgain={again} />} />;
    }
  }
}

function Joining() {
  return (
    <main class="centre">
      <div class="spinner" />
      <p role="status">Joining the conference…</p>
    </main>
  );
}

/** A reload in the middle of a call goes straight back into it. */
function watchForReload(room: string, name: string, session: CallSession): void {
  session.subscribe(() => {
    const { phase, sends, hasMicrophone, end } = session.state;
    if (phase === 'ended') {
      if (end?.reason !== 'unreachable') forgetCall(room);
      return;
    }
    const camera = sends.video === 'camera';
    const isMuted = hasMicrophone && !sends.microphone;
    rememberCall(room, { name, isMuted, camera, microphone: hasMicrophone });
  });
}
