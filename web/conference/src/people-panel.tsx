/** Everybody in the conference, as a list. */

import { Icon } from './icons.js';
import { maskedNumber } from './people.js';
import type { CallSession, State } from './session.js';

interface Props {
  session: CallSession;
  state: State;
}

export function PeoplePanel({ session, state }: Props) {
  const { peers, phones, morePhones, calling, sends, speaking } = state;
  return (
    <ul class="people" tabIndex={0} aria-label="People">
      <Person
        name={session.conference.displayName}
        note="you"
        isMuted={!sends.microphone}
        isSpeaking={speaking === 'self'}
      />
      {peers.map(({ id, displayName, sends: sent, link }) => (
        <Person
          key={id}
          name={displayName}
          note={noteOf(sent?.video === 'screen', link)}
          isMuted={sent !== null && !sent.microphone}
          isSpeaking={speaking === id}
        />
      ))}
      {phones.map(({ key, callerId }) => (
        <Person
          key={key}
          name={maskedNumber(callerId)}
          note="by telephone"
          isSpeaking={phones.length === 1 && morePhones === 0 && speaking === 'phones'}
        />
      ))}
      {calling.map((number) => (
        <Person key={number} name={maskedNumber(number)} note="being called" isSpeaking={false} />
      ))}
      {morePhones > 0 && <li class="quiet">{`and ${morePhones} more by telephone`}</li>}
    </ul>
  );
}

function noteOf(isSharing: boolean, link: string): string {
  if (isSharing) return 'shares the screen';
  if (link === 'relayed') return 'sound only';
  return link === 'connecting' ? 'connecting' : '';
}

interface PersonProps {
  name: string;
  note: string;
  isMuted?: boolean;
  isSpeaking: boolean;
}

function Person({ name, note, isMuted = false, isSpeaking }: PersonProps) {
  return (
    <li data-speaking={isSpeaking}>
      <span class="person-name" dir="auto">
        {name}
      </span>
      {note !== '' && <span class="quiet">{note}</span>}
      {isMuted && (
        <span class="person-mark">
          <Icon name="micOff" size={18} />
          <span class="visually-hidden">microphone off</span>
        </span>
      )}
      {isSpeaking && (
        <span class="person-mark">
          <Icon name="sound" size={18} />
          <span class="visually-hidden">speaking</span>
        </span>
      )}
    </li>
  );
}
