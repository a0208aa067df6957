/** Link, number and PIN to hand on. */

import { useState } from 'preact/hooks';
import { Icon } from './icons.js';
import { linkOfRoom, pinOfRoom, readableRoom } from './room.js';
import type { CallSession } from './session.js';

const COPIED_MS = 2_000;

export function InvitePanel({ session }: { session: CallSession }) {
  const { room, phoneNumber } = session.conference;
  const link = linkOfRoom(location.origin, room);
  const pin = pinOfRoom(room);
  return (
    <div class="invite">
      <p class="quiet">Anybody with this link can join from a browser.</p>
      <Copyable label="Link" shown={link} value={link} />
      {pin !== '' && (
        <>
          <p class="quiet">
            {phoneNumber
              ? 'To join by telephone, dial the number, type the PIN, and press the pound key (#).'
              : 'To join by telephone, type this PIN when asked, and press the pound key (#).'}
          </p>
          {phoneNumber && <Copyable label="Telephone" shown={phoneNumber} value={phoneNumber} />}
          <Copyable label="PIN" shown={`${readableRoom(pin)} #`} value={pin} />
        </>
      )}
    </div>
  );
}

function Copyable({ label, shown, value }: { label: string; shown: string; value: string }) {
  const [state, setState] = useState<'' | 'copied' | 'failed'>('');
  const copy = async (): Promise<void> => {
    const result = await navigator.clipboard.writeText(value).then(
      () => 'copied' as const,
      () => 'failed' as const,
    );
    setState(result);
    setTimeout(() => setState(''), COPIED_MS);
  };
  return (
    <div class="copyable">
      <div class="copyable-words">
        <span class="copyable-label">{label}</span>
        <span class="copyable-value number">{shown}</span>
      </div>
      <button type="button" class="plain" aria-label={`Copy ${label}`} onClick={() => void copy()}>
        <Icon name={state === 'copied' ? 'check' : 'copy'} size={20} />
      </button>
      <span class="visually-hidden" role="status">
        {state === 'copied' ? `${label} copied` : ''}
      </span>
      {state === 'failed' && (
        <p class="field-fault" role="alert">
          The browser does not let us copy. Select the text instead.
        </p>
      )}
    </div>
  );
}
