/** Devices during the call, and the keyboard shortcuts. */

import { useState } from 'preact/hooks';
import { DeviceSelect } from './device-select.js';
import { useDevices } from './hooks.js';
import type { CallSession } from './session.js';

const SHORTCUTS = [
  ['M', 'microphone'],
  ['V', 'camera'],
  ['S', 'share the screen'],
  ['C', 'chat'],
  ['I', 'invite others'],
  ['L', 'leave'],
] as const;

export function SettingsPanel({ session }: { session: CallSession }) {
  const devices = useDevices(session);
  const [microphone, setMicrophone] = useState('');
  const [camera, setCamera] = useState('');
  const [speaker, setSpeaker] = useState('');
  const use = (kind: 'microphone' | 'camera' | 'speaker', set: (id: string) => void) => {
    return (id: string): void => {
      set(id);
      void session.useDevice(kind, id);
    };
  };
  return (
    <div class="settings">
      <DeviceSelect
        label="Microphone"
        devices={devices.microphones}
        value={microphone || (devices.microphones[0]?.deviceId ?? '')}
        none="No microphone found"
        onChange={use('microphone', setMicrophone)}
      />
      <DeviceSelect
        label="Camera"
        devices={devices.cameras}
        value={camera || (session.state.ownVideo?.getSettings().deviceId ?? '')}
        none="No camera found"
        onChange={use('camera', setCamera)}
      />
      {devices.speakers.length > 0 && (
        <DeviceSelect
          label="Loudspeaker"
          devices={devices.speakers}
          value={speaker || (devices.speakers[0]?.deviceId ?? '')}
          none=""
          onChange={use('speaker', setSpeaker)}
        />
      )}
      <h3>Keyboard</h3>
      <dl class="keys">
        {SHORTCUTS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>Alt</kbd> <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
