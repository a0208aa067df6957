/** The bar of buttons. */

import { Icon, type IconName } from './icons.js';
import type { CallSession, State } from './session.js';

export type PanelName = 'chat' | 'people' | 'invite' | 'settings';

interface Props {
  session: CallSession;
  state: State;
  panel: PanelName | null;
  onPanel: (panel: PanelName) => void;
}

export function Controls({ session, state, panel, onPanel }: Props) {
  const { sends, unread } = state;
  const isSharing = sends.video === 'screen';
  const hasCamera = sends.video === 'camera';
  const canShare = 'getDisplayMedia' in (navigator.mediaDevices ?? {});
  const chatLabel = unread > 0 ? `Chat, ${unread} unread` : 'Chat';
  return (
    <nav class="controls" aria-label="Call controls">
      <Button
        icon={sends.microphone ? 'mic' : 'micOff'}
        label={sends.microphone ? 'Mute microphone' : 'Unmute microphone'}
        text={sends.microphone ? 'Mute' : 'Unmute'}
        keys="M"
        isOn={sends.microphone}
        onClick={() => session.toggleMicrophone()}
      />
      <Button
        icon={hasCamera ? 'camera' : 'cameraOff'}
        label={hasCamera ? 'Turn camera off' : 'Turn camera on'}
        text="Camera"
        keys="V"
        isOn={hasCamera}
        isIdle={isSharing}
        onClick={() => session.toggleCamera()}
      />
      {canShare && (
        <Button
          icon="screen"
          label={isSharing ? 'Stop sharing the screen' : 'Share the screen'}
          text={isSharing ? 'Stop' : 'Share'}
          keys="S"
          isActive={isSharing}
          onClick={() => session.toggleScreen()}
        />
      )}
      <Button
        icon="chat"
        label={chatLabel}
        text="Chat"
        keys="C"
        isActive={panel === 'chat'}
        opens="chat"
        badge={unread}
        onClick={() => onPanel('chat')}
      />
      <Button
        icon="invite"
        label="Invite others"
        text="Invite"
        keys="I"
        isActive={panel === 'invite'}
        opens="invite"
        onClick={() => onPanel('invite')}
      />
      <Button
        icon="settings"
        label="Settings"
        text="Settings"
        isActive={panel === 'settings'}
        opens="settings"
        onClick={() => onPanel('settings')}
      />
      <Button
        icon="leave"
        label="Leave the conference"
        text="Leave"
        keys="L"
        isLeave
        onClick={() => session.leave()}
      />
    </nav>
  );
}

interface ButtonProps {
  icon: IconName;
  label: string;
  text: string;
  keys?: string;
  /** For what is on or off; off is shown as a warning. */
  isOn?: boolean;
  /** Off for another reason than the person's wish: no warning. */
  isIdle?: boolean;
  isActive?: boolean;
  opens?: PanelName;
  isLeave?: boolean;
  badge?: number;
  onClick: () => void;
}

function Button(props: ButtonProps) {
  const { icon, label, text, keys, isOn, isIdle, isActive, opens } = props;
  const { isLeave, badge, onClick } = props;
  return (
    <button
      type="button"
      class="control"
      data-on={isIdle ? undefined : isOn}
      data-active={isActive}
      data-leave={isLeave}
      data-opens={opens}
      aria-label={label}
      aria-pressed={isOn}
      aria-expanded={opens && isActive}
      aria-keyshortcuts={keys && `Alt+${keys}`}
      title={keys ? `${label} (Alt+${keys})` : label}
      onClick={onClick}
    >
      <span class="control-icon">
        <Icon name={icon} />
        {badge ? <span class="control-badge">{badge > 99 ? '99+' : badge}</span> : null}
      </span>
      <span class="control-text">{text}</span>
    </button>
  );
}
