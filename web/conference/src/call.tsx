/** In the conference: tiles, controls, and one panel at a time. */

import type { EndReason } from '@talkpath/web';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ChatPanel } from './chat.js';
import { Controls, type PanelName } from './controls.js';
import { useColumns, useSession, useShortcuts } from './hooks.js';
import { Icon, Mark } from './icons.js';
import { InvitePanel } from './invite.js';
import { readableRoom } from './room.js';
import type { CallSession, State } from './session.js';
import { SettingsPanel } from './settings.js';
import { MorePhonesTile, PeerTile, PhoneTile, SelfTile } from './tiles.js';

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
    KeyL: () => session.leave(),
  });

  if (state.end) return <>{ended(state.end)}</>;
  const count = state.peers.length + state.phones.length + state.morePhones + 1;
  return (
    <div class="call" data-phase={state.phase} data-panel={panel ?? ''}>
      <header class="call-header">
        <Mark />
        <h1 class="number">{readableRoom(session.conference.room)}</h1>
        <span class="count">{count === 1 ? 'Only you' : `${count} people`}</span>
      </header>
      <Banner session={session} state={state} />
      <main class="call-main" aria-label="Participants">
        <Stage session={session} state={state} onInvite={() => setPanel('invite')} />
      </main>
      {panel && (
        <Panel name={panel} onClose={close}>
          {panel === 'chat' && <ChatPanel session={session} state={state} />}
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
  const sharing = peers.find((peer) => peer.sends?.video === 'screen');
  const large = peers.find(({ id }) => id === pinned) ?? sharing ?? null;
  const others = peers.filter((peer) => peer !== large);
  const tiles = others.length + phones.length + calling.length + 1;
  const count = tiles + (morePhones > 0 ? 1 : 0);
  const { ref, columns } = useColumns(count);

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
    <div class="stage" data-large={large !== null} role="list">
      {large && <div class="large">{tile(large)}</div>}
      <div
        class="grid"
        ref={ref}
        style={{ '--columns': columns, '--rows': Math.ceil(count / columns) }}
      >
        {others.map(tile)}
        {phones.map((phone) => (
          <PhoneTile
            key={phone.key}
            session={session}
            phone={phone}
            isSpeaking={speaking === 'phones'}
          />
        ))}
        {morePhones > 0 && <MorePhonesTile session={session} count={morePhones} />}
        {calling.map((number) => (
          <PhoneTile
            key={`calling ${number}`}
            session={session}
            phone={{ key: `calling ${number}`, callerId: number }}
            isSpeaking={false}
            isCalling
          />
        ))}
        <SelfTile
          session={session}
          video={ownVideo}
          isScreen={sends.video === 'screen'}
          isMuted={!sends.microphone}
          isSpeaking={speaking === 'self'}
        />
      </div>
      {state.phase === 'connected' && count === 1 && !large && (
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

/** What everybody must know now: not connected, or no sound. */
function Banner({ session, state }: PartProps) {
  return (
    <div class="banners" role="status">
      {state.phase === 'connecting' && <p class="banner">Connecting…</p>}
      {state.phase === 'reconnecting' && (
        <p class="banner fault">
          <span class="spinner small" />
          The connection was lost. Trying to get you back…
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
      {state.notices.map(({ id, text, isFault }) => (
        <p key={id} class="notice" data-fault={isFault} onClick={() => session.dismiss(id)}>
          {text}
        </p>
      ))}
    </div>
  );
}
