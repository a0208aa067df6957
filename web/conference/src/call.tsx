/** In the conference: tiles, controls, and one panel at a time. */

import type { EndReason } from '@talkpath/web';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ChatPanel } from './chat.js';
import { Controls, type PanelName } from './controls.js';
import { useSession, useShortcuts, useTilesMax, useTileSize } from './hooks.js';
import { Icon, Mark } from './icons.js';
import { InvitePanel } from './invite.js';
import { pageOf } from './people.js';
import { PeoplePanel } from './people-panel.js';
import { readableRoom } from './room.js';
import type { CallSession, State } from './session.js';
import { SettingsPanel } from './settings.js';
import { PeerTile, PhoneStrip, SelfTile } from './tiles.js';

interface Props {
  session: CallSession;
  ended: (end: { reason: EndReason; text: string }) => ComponentChildren;
}

export function Call({ session, ended }: Props) {
  const state = useSession(session);
  const [panel, setPanel] = useState<PanelName | null>(null);
  const close = (): void => {
    // Back to where it was opened, for those who use the keyboard.
    document.querySelector<HTMLElement>(`[data-opens="${panel ?? ''}"]`)?.focus();
    setPanel(null);
  };
  const toggle = (name: PanelName): void => (panel === name ? close() : setPanel(name));

  useEffect(() => session.setChatOpen(panel === 'chat'), [session, panel]);
  useShortcuts({
    KeyM: () => session.toggleMicrophone(),
    KeyV: () => session.toggleCamera(),
    KeyS: () => session.toggleScreen(),
    KeyC: () => toggle('chat'),
    KeyI: () => toggle('invite'),
    KeyP: () => toggle('people'),
    KeyL: () => session.leave(),
  });

  if (state.end) return <>{ended(state.end)}</>;
  const count = state.peers.length + state.phones.length + state.morePhones + 1;
  return (
    <div class="call" data-phase={state.phase} data-panel={panel ?? ''}>
      <header class="call-header">
        <Mark />
        <h1 class="number">{readableRoom(session.conference.room)}</h1>
        <button
          type="button"
          class="count"
          data-opens="people"
          aria-expanded={panel === 'people'}
          aria-keyshortcuts="Alt+P"
          title="Who is here (Alt+P)"
          onClick={() => toggle('people')}
        >
          {count === 1 ? 'Only you' : `${count} people`}
        </button>
      </header>
      <Banner session={session} state={state} />
      <main class="call-main" aria-label="Participants">
        <Stage session={session} state={state} onInvite={() => setPanel('invite')} />
      </main>
      {panel && (
        <Panel name={panel} onClose={close}>
          {panel === 'chat' && <ChatPanel session={session} state={state} />}
          {panel === 'people' && <PeoplePanel session={session} state={state} />}
          {panel === 'invite' && <InvitePanel session={session} />}
          {panel === 'settings' && <SettingsPanel session={session} />}
        </Panel>
      )}
      <Notices session={session} state={state} />
      <Controls session={session} state={state} panel={panel} onPanel={toggle} />
    </div>
  );
}

const PANEL_TITLES: Readonly<Record<PanelName, string>> = {
  chat: 'Chat',
  people: 'Who is here',
  invite: 'Invite others',
  settings: 'Settings',
};

interface PanelProps {
  name: PanelName;
  onClose: () => void;
  children: ComponentChildren;
}

function Panel({ name, onClose, children }: PanelProps) {
  const title = PANEL_TITLES[name];
  const ref = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (name !== 'chat') ref.current?.focus();
  }, [name]);
  return (
    <aside
      class="panel"
      aria-label={title}
      onKeyDown={(event) => event.key === 'Escape' && onClose()}
    >
      <div class="panel-head">
        <h2 ref={ref} tabIndex={-1}>
          {title}
        </h2>
        <button
          type="button"
          class="plain"
          aria-label={`Close ${title.toLowerCase()}`}
          onClick={onClose}
        >
          <Icon name="close" />
        </button>
      </div>
      {children}
    </aside>
  );
}

interface PartProps {
  session: CallSession;
  state: State;
}

function Stage({ session, state, onInvite }: PartProps & { onInvite: () => void }) {
  const { peers, phones, morePhones, calling, sends, speaking, ownVideo } = state;
  const [pinned, setPinned] = useState<string | null>(null);
  const [wanted, setWanted] = useState(0);
  const sharing = peers.find((peer) => peer.sends?.video === 'screen');
  const large = peers.find(({ id }) => id === pinned) ?? sharing ?? null;
  const others = peers.filter((peer) => peer !== large);
  // With one other person we are a small picture in the corner of the large one.
  const isCorner = large === null && others.length === 1;
  const tilesMax = useTilesMax();
  const { shown, page, pages } = pageOf(others, wanted, isCorner ? tilesMax : tilesMax - 1);
  const ref = useTileSize(shown.length + (isCorner ? 0 : 1));
  const isAlone = peers.length + phones.length + morePhones + calling.length === 0;

  const tile = (peer: (typeof peers)[number]) => (
    <PeerTile
      key={peer.id}
      session={session}
      peer={peer}
      isSpeaking={speaking === peer.id}
      isPinned={pinned === peer.id}
      onPin={() => setPinned(pinned === peer.id ? null : peer.id)}
    />
  );
  return (
    <div class="stage-and-phones">
      <div class="stage" data-large={large !== null} data-corner={isCorner} role="list">
        {large && <div class="large">{tile(large)}</div>}
        <div class="grid" ref={ref}>
          {shown.map(tile)}
          <SelfTile
            session={session}
            video={ownVideo}
            isScreen={sends.video === 'screen'}
            isMuted={!sends.microphone}
            isSpeaking={speaking === 'self'}
          />
        </div>
      </div>
      {pages > 1 && <Pager page={page} pages={pages} onPage={setWanted} />}
      {phones.length + morePhones + calling.length > 0 && (
        <PhoneStrip
          session={session}
          phones={phones}
          more={morePhones}
          calling={calling}
          isSpeaking={speaking === 'phones'}
        />
      )}
      {state.phase === 'connected' && state.hasRoster && isAlone && (
        <div class="alone">
          <p>You are the first one here.</p>
          <button type="button" class="button" onClick={onInvite}>
            Invite others
          </button>
        </div>
      )}
    </div>
  );
}

interface PagerProps {
  page: number;
  pages: number;
  onPage: (page: number) => void;
}

function Pager({ page, pages, onPage }: PagerProps) {
  return (
    <div class="pager" role="group" aria-label="Pages of people">
      <button
        type="button"
        class="plain"
        aria-label="Previous people"
        disabled={page === 0}
        onClick={() => onPage(page - 1)}
      >
        <Icon name="back" />
      </button>
      <span role="status">{`${page + 1} of ${pages}`}</span>
      <button
        type="button"
        class="plain"
        aria-label="Next people"
        disabled={page === pages - 1}
        onClick={() => onPage(page + 1)}
      >
        <Icon name="next" />
      </button>
    </div>
  );
}

/** What everybody must know now: not connected, or no sound. */
function Banner({ session, state }: PartProps) {
  return (
    <div class="banners" role="status">
      {state.phase === 'connecting' && <p class="banner">Connecting…</p>}
      {state.phase === 'reconnecting' && (
        <p class="banner fault">
          <span class="spinner small" />
          {state.isRestart
            ? 'The server restarts. You will be back in a moment…'
            : 'The connection was lost. Trying to get you back…'}
        </p>
      )}
      {state.isAudioBlocked && (
        <p class="banner">
          Your browser holds the sound back.
          <button type="button" class="button small" onClick={() => void session.resumeAudio()}>
            <Icon name="sound" size={18} />
            Turn the sound on
          </button>
        </p>
      )}
    </div>
  );
}

function Notices({ session, state }: PartProps) {
  return (
    <div class="notices" role="log" aria-live="polite" aria-label="Notices">
      {state.notices.map(({ id, name, text, isFault }) => (
        <p key={id} class="notice" data-fault={isFault} onClick={() => session.dismiss(id)}>
          {name !== '' && (
            <span class="notice-name" dir="auto">
              {name}
            </span>
          )}{' '}
          <span class="notice-text" dir="auto">
            {text}
          </span>
        </p>
      ))}
    </div>
  );
}
