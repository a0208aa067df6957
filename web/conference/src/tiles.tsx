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
  kind: 'self' | 'person';
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
        <span class="chip-name" dir="auto">
          {displayName}
        </span>
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

interface PhonesProps {
  session: CallSession;
  phones: readonly Phone[];
  /** Telephones beside those. */
  more: number;
  /** Numbers that are being dialled. */
  calling: readonly string[];
  isSpeaking: boolean;
}

/**
 * All telephones in one strip. They arrive as one sound, so when one of several speaks, it is the
 * strip that shows it.
 */
export function PhoneStrip({ session, phones, more, calling, isSpeaking }: PhonesProps) {
  const ref = useLevel(session, phonesLevel);
  const isOne = phones.length === 1 && more === 0;
  return (
    <div ref={ref} class="phones" data-speaking={isSpeaking}>
      <Icon name={isSpeaking ? 'sound' : 'phone'} size={20} />
      <ul aria-label="Telephones" tabIndex={0}>
        {phones.map((phone) => (
          <PhoneChip
            key={phone.key}
            id={phone.key}
            name={maskedNumber(phone.callerId)}
            isSpeaking={isOne && isSpeaking}
          />
        ))}
        {calling.map((number) => (
          <PhoneChip key={number} id={number} name={maskedNumber(number)} isCalling />
        ))}
        {more > 0 && <li class="phone-chip" data-tile="phones">{`and ${more} more`}</li>}
      </ul>
    </div>
  );
}

interface ChipProps {
  id: string;
  name: string;
  isSpeaking?: boolean;
  isCalling?: boolean;
}

function PhoneChip({ id, name, isSpeaking = false, isCalling = false }: ChipProps) {
  return (
    <li
      class="phone-chip number"
      data-tile="phone"
      data-id={id}
      data-name={name}
      data-speaking={isSpeaking}
    >
      {name}
      {isCalling && <em>calling…</em>}
    </li>
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
