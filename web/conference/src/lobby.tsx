/** Before the conference: a name, and a look at oneself. */

import type { JoinErrorCode } from '@talkpath/web';
import type { RefObject } from 'preact';
import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import { DeviceSelect } from './device-select.js';
import { useDevices } from './hooks.js';
import { Icon, Mark } from './icons.js';
import { rememberedName } from './memory.js';
import { Preview } from './preview.js';
import { readableRoom } from './room.js';
import { Video } from './video.js';
import { type Words, wordsOfDevice, wordsOfJoinCode } from './words.js';

const NAME_CHARS_MAX = 64;

export interface LobbyChoice {
  name: string;
  microphone: MediaStreamTrack | null;
  camera: MediaStreamTrack | null;
  isMuted: boolean;
  speaker: string;
}

interface Props {
  room: string;
  problem: Words | null;
  onJoin: (choice: LobbyChoice) => Promise<void>;
}

export function Lobby({ room, problem, onJoin }: Props) {
  const [name, setName] = useState(rememberedName);
  const [isNameMissing, setNameMissing] = useState(false);
  const [isMuted, setMuted] = useState(false);
  const [isJoining, setJoining] = useState(false);
  const [speaker, setSpeaker] = useState('');
  const preview = usePreview();
  const { microphone, camera, microphoneFault, cameraFault, isAsking } = preview.state;
  const nameRef = useRef<HTMLInputElement>(null);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const trimmed = name.trim();
    setNameMissing(trimmed === '');
    if (trimmed === '') {
      nameRef.current?.focus();
      return;
    }
    setJoining(true);
    await onJoin({ name: trimmed, ...preview.handOver(), isMuted, speaker });
    setJoining(false);
  };

  const shown = problem ?? (microphoneFault ? wordsOfJoinCode(codeOf(microphoneFault)) : null);
  return (
    <div class="lobby">
      <header class="brand">
        <Mark />
        <span>talkpath</span>
      </header>
      <main>
        <section class="preview" aria-label="Your camera and microphone">
          <PreviewPicture camera={camera} name={name} isAsking={isAsking} fault={cameraFault} />
          <Meter preview={preview} isOn={microphone !== null && !isMuted} />
          <div class="preview-buttons">
            <Toggle
              isOn={microphone !== null && !isMuted}
              isDisabled={isAsking}
              on={['mic', 'Mute microphone']}
              off={['micOff', microphone ? 'Unmute microphone' : 'Try the microphone again']}
              onClick={() => (microphone ? setMuted(!isMuted) : void preview.setMicrophone())}
            />
            <Toggle
              isOn={camera !== null}
              isDisabled={isAsking}
              on={['camera', 'Turn camera off']}
              off={['cameraOff', 'Turn camera on']}
              onClick={() => (camera ? preview.stopCamera() : void preview.setCamera())}
            />
          </div>
        </section>
        <form class="lobby-form" onSubmit={(event) => void submit(event)} noValidate>
          <div>
            <h1>Ready to join?</h1>
            <p class="quiet">
              Conference <span class="number">{readableRoom(room)}</span>
            </p>
          </div>
          {shown && (
            <div class="problem" role="alert">
              <Icon name="alert" />
              <div>
                <strong>{shown.title}</strong>
                <p>{shown.text}</p>
              </div>
            </div>
          )}
          <NameField
            inputRef={nameRef}
            name={name}
            isMissing={isNameMissing}
            onInput={(text) => {
              setName(text);
              setNameMissing(false);
            }}
          />
          <DeviceFields preview={preview} speaker={speaker} onSpeaker={setSpeaker} />
          <div class="lobby-join">
            <button class="button primary large" type="submit" disabled={isJoining || isAsking}>
              {isJoining
                ? 'Joining…'
                : microphone === null && !isAsking
                  ? 'Join and listen'
                  : 'Join'}
            </button>
          </div>
        </form>
      </main>
    </div>
  );
}

interface NameProps {
  inputRef: RefObject<HTMLInputElement>;
  name: string;
  isMissing: boolean;
  onInput: (name: string) => void;
}

function NameField({ inputRef, name, isMissing, onInput }: NameProps) {
  return (
    <div class="field">
      <label for="name">Your name</label>
      <input
        id="name"
        ref={inputRef}
        class="input"
        value={name}
        maxLength={NAME_CHARS_MAX}
        autocomplete="name"
        dir="auto"
        placeholder="How the others will see you"
        onInput={(event) => onInput(event.currentTarget.value)}
        aria-invalid={isMissing}
        aria-describedby={isMissing ? 'name-missing' : undefined}
      />
      {isMissing && (
        <p class="field-fault" id="name-missing" role="alert">
          Please type a name first.
        </p>
      )}
    </div>
  );
}

interface DeviceProps {
  preview: Preview;
  speaker: string;
  onSpeaker: (deviceId: string) => void;
}

function DeviceFields({ preview, speaker, onSpeaker }: DeviceProps) {
  const { microphone, camera, microphoneFault, cameraFault, isAsking } = preview.state;
  const devices = useDevices(microphone ?? camera ?? isAsking);
  return (
    <>
      <DeviceSelect
        label="Microphone"
        devices={devices.microphones}
        value={microphone?.getSettings().deviceId ?? ''}
        none={noneOf('microphone', microphoneFault)}
        onChange={(id) => void preview.setMicrophone(id)}
      />
      <DeviceSelect
        label="Camera"
        devices={devices.cameras}
        value={camera?.getSettings().deviceId ?? ''}
        none={noneOf('camera', cameraFault)}
        onChange={(id) => void preview.setCamera(id)}
      />
      {devices.speakers.length > 1 && (
        <DeviceSelect
          label="Loudspeaker"
          devices={devices.speakers}
          value={speaker || (devices.speakers[0]?.deviceId ?? '')}
          none=""
          onChange={onSpeaker}
        />
      )}
    </>
  );
}

function usePreview(): Preview {
  const [, update] = useReducer((count: number) => count + 1, 0);
  const [preview] = useState(() => new Preview(() => update(undefined)));
  useEffect(() => {
    void preview.open(true);
    return () => preview.close();
  }, [preview]);
  return preview;
}

interface PictureProps {
  camera: MediaStreamTrack | null;
  name: string;
  isAsking: boolean;
  fault: string;
}

function PreviewPicture({ camera, name, isAsking, fault }: PictureProps) {
  const words = fault && wordsOfDevice('camera', new DOMException('', fault));
  return (
    <div class="preview-picture">
      {camera ? (
        <Video track={camera} isMirrored />
      ) : (
        <p class="preview-words">
          {isAsking
            ? 'Please allow the camera and the microphone.'
            : words || 'Your camera is off.'}
        </p>
      )}
      {name.trim() !== '' && (
        <span class="chip">
          <span class="chip-name" dir="auto">
            {name.trim()}
          </span>
        </span>
      )}
    </div>
  );
}

/** Moves with the voice, so that one sees that the microphone works. */
function Meter({ preview, isOn }: { preview: Preview; isOn: boolean }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const timer = setInterval(() => {
      const level = isOn ? preview.level() : 0;
      ref.current?.style.setProperty('--level', level.toFixed(2));
      ref.current?.setAttribute('aria-valuenow', String(Math.round(level * 100)));
    }, 66);
    return () => clearInterval(timer);
  }, [preview, isOn]);
  return (
    <div
      ref={ref}
      class="meter"
      role="meter"
      aria-label="Microphone level"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={0}
    />
  );
}

type Face = [icon: 'mic' | 'micOff' | 'camera' | 'cameraOff', label: string];

interface ToggleProps {
  isOn: boolean;
  isDisabled: boolean;
  on: Face;
  off: Face;
  onClick: () => void;
}

function Toggle({ isOn, isDisabled, on, off, onClick }: ToggleProps) {
  const [icon, label] = isOn ? on : off;
  return (
    <button
      type="button"
      class="round"
      data-on={isOn}
      aria-pressed={isOn}
      aria-label={label}
      title={label}
      disabled={isDisabled}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}

/** What stands in place of the names of devices, which the browser tells only after permission. */
function noneOf(device: string, faultName: string): string {
  return faultName === 'NotAllowedError' ? `The ${device} is blocked` : `No ${device} was found`;
}

function codeOf(faultName: string): JoinErrorCode {
  if (faultName === 'NotAllowedError' || faultName === 'SecurityError') return 'microphone-refused';
  if (faultName === 'NotFoundError' || faultName === 'OverconstrainedError') {
    return 'microphone-missing';
  }
  return faultName === 'NotSupportedError' ? 'browser-too-old' : 'microphone-busy';
}
