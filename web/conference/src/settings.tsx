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
  ['P', 'who is here'],
  ['I', 'invite others'],
  ['L', 'leave'],
] as const;

export function SettingsPanel({ session }: { session: CallSession }) {
  const devices = useDevices(session);
  const [chosen, setChosen] = useState(session.conference.devices);
  const use = (kind: 'microphone' | 'camera' | 'speaker') => {
    return (id: string): void => {
      setChosen({ ...chosen, [kind]: id });
      // A device that does not open leaves the one before in use.
      void session.useDevice(kind, id).then(() => setChosen(session.conference.devices));
    };
  };
  return (
    <div class="settings">
      <DeviceSelect
        label="Microphone"
        devices={devices.microphones}
        value={chosen.microphone || (devices.microphones[0]?.deviceId ?? '')}
        none="No microphone found"
        onChange={use('microphone')}
      />
      <DeviceSelect
        label="Camera"
        devices={devices.cameras}
        value={chosen.camera || (devices.cameras[0]?.deviceId ?? '')}
        none="No camera found"
        onChange={use('camera')}
      />
      {devices.speakers.length > 0 && (
        <DeviceSelect
          label="Loudspeaker"
          devices={devices.speakers}
          value={chosen.speaker || (devices.speakers[0]?.deviceId ?? '')}
          none=""
          onChange={use('speaker')}
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
