/** A choice among devices of one kind. */

import { useId } from 'preact/hooks';

interface Props {
  label: string;
  devices: MediaDeviceInfo[];
  value: string;
  none: string;
  onChange: (deviceId: string) => void;
}

export function DeviceSelect({ label, devices, value, none, onChange }: Props) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        class="input"
        value={value}
        disabled={devices.length === 0}
        onChange={(event) => onChange(event.currentTarget.value)}
      >
        {devices.length === 0 && <option value="">{none}</option>}
        {devices.map((device, index) => (
          <option key={device.deviceId} value={device.deviceId}>
            {device.label || `${label} ${index + 1}`}
          </option>
        ))}
      </select>
    </div>
  );
}
