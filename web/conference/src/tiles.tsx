/** One tile per participant: pictures, telephones, ourselves. */

import type { Levels, Peer, Phone } from '@talkpath/web';
import type { ComponentChildren } from 'preact';
import { useCallback } from 'preact/hooks';
import { useHasPicture, useLevel } from './hooks.js';
import { Icon } from './icons.js';
import { colourOf, initials, maskedNumber } from './people.js';
import type { CallSession } from './session.js';
import { Video } from './video.js';

interface FrameProps {
  session: CallSession;
  kind: 'self' | 'person' | 'phone' | 'phones';
  id: string;
  name: string;
  label: string;
  link?: string;
  isSpeaking: boolean;
  level: (levels: Levels) => number;
  children: ComponentChildren;
}

function Frame(props: FrameProps) {
  const { session, kind, id, name, label, link, isSpeaking, level, children } = props;
  const ref = useLevel(session, level);
  return (
    <div
      ref={ref}
      class="tile"
      role="listitem"
      aria-label={label}
      data-tile={kind}
      data-id={id}
      data-name={name}
      data-link={link}
      data-speaking={isSpeaking}
    >
      {children}
    </div>
  );
}

function Avatar({ id, name }: { id: string; name: string }) {
  return (
    <span class="avatar" data-colour={colourOf(id)} aria-hidden="true">
      {initials(name)}
    </span>
  );
}

interface PeerProps {
  session: CallSession;
  peer: Peer;
  isSpeaking: boolean;
  isPinned: boolean;
  onPin: () => void;
}

export function PeerTile({ session, peer, isSpeaking, isPinned, onPin }: PeerProps) {
  const { id, displayName, link, stream, sends } = peer;
  const picture = useHasPicture(stream);
  const hasPicture = sends ? sends.video !== 'none' && stream !== null : picture;
  const isMuted = sends !== null && !sends.microphone;
  const level = useCallback((levels: Levels) => levels.peers[id] ?? 0, [id]);
  const label = [
    displayName,
    isMuted ? 'microphone off' : '',
    sends?.video === 'screen' ? 'shares the screen' : '',
    link === 'relayed' ? 'sound only' : '',
  ];
  return (
    <Frame
      session={session}
      kind="person"
      id={id}
      name={displayName}
      label={label.filter(Boolean).join(', ')}
      link={link}
      isSpeaking={isSpeaking}
      level={level}
    >
      {hasPicture ? (
        <Video stream={stream} isWhole={sends?.video === 'screen'} />
      ) : (
        <Avatar id={id} name={displayName} />
      )}
      <span class="chip">
        {isMuted && <Icon name="micOff" size={16} />}
        <span class="chip-name">{displayName}</span>
      </span>
      {link === 'connecting' && <span class="badge">Connecting…</span>}
      {link === 'relayed' && (
        <span class="badge" title="No direct connection: the sound comes through the server.">
          Sound only
        </span>
      )}
      <button
        type="button"
        class="pin"
        aria-pressed={isPinned}
        aria-label={isPinned ? `Unpin ${displayName}` : `Show ${displayName} large`}
        title={isPinned ? 'Unpin' : 'Show large'}
        onClick={onPin}
      >
        <Icon name="pin" size={18} />
      </button>
    </Frame>
  );
}

const phonesLevel = (levels: Levels): number => levels.phones;
const selfLevel = (levels: Levels): number => levels.self;

interface PhoneProps {
  session: CallSession;
  phone: Phone;
  isSpeaking: boolean;
  isCalling?: boolean;
}

/** All telephones arrive as one sound, so all of them light up when one speaks. */
export function PhoneTile({ session, phone, isSpeaking, isCalling }: PhoneProps) {
  const number = maskedNumber(phone.callerId);
  return (
    <Frame
      session={session}
      kind="phone"
      id={phone.key}
      name={number}
      label={`${number}, ${isCalling ? 'being called' : 'by telephone'}`}
      isSpeaking={isSpeaking}
      level={phonesLevel}
    >
      <span class="avatar phone" aria-hidden="true">
        <Icon name="phone" size={34} />
      </span>
      <span class="chip">
        <span class="chip-name number">{number}</span>
      </span>
      {isCalling && <span class="badge">Calling…</span>}
    </Frame>
  );
}

/** Telephones that have no tile of their own. */
export function MorePhonesTile({ session, count }: { session: CallSession; count: number }) {
  const name = `and ${count} more`;
  return (
    <Frame
      session={session}
      kind="phones"
      id="phones"
      name={name}
      label={`${name} by telephone`}
      isSpeaking={false}
      level={phonesLevel}
    >
      <span class="avatar phone" aria-hidden="true">
        <Icon name="phone" size={34} />
      </span>
      <span class="chip">
        <span class="chip-name">{name}</span>
      </span>
    </Frame>
  );
}

interface SelfProps {
  session: CallSession;
  video: MediaStreamTrack | null;
  isScreen: boolean;
  isMuted: boolean;
  isSpeaking: boolean;
}

export function SelfTile({ session, video, isScreen, isMuted, isSpeaking }: SelfProps) {
  const { id, displayName } = session.conference;
  return (
    <Frame
      session={session}
      kind="self"
      id={id}
      name={displayName}
      label={`${displayName}, you${isMuted ? ', microphone off' : ''}`}
      isSpeaking={isSpeaking}
      level={selfLevel}
    >
      {video ? (
        <Video track={video} isMirrored={!isScreen} isWhole={isScreen} />
      ) : (
        <Avatar id={id} name={displayName} />
      )}
      <span class="chip">
        {isMuted && <Icon name="micOff" size={16} />}
        <span class="chip-name">{isScreen ? 'Your screen' : 'You'}</span>
      </span>
    </Frame>
  );
}
