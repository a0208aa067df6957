/** Messages to everybody, or to one. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon } from './icons.js';
import { CHAT_CHARS_MAX, type CallSession, type ChatLine, type State } from './session.js';

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

export function ChatPanel({ session, state }: { session: CallSession; state: State }) {
  const [text, setText] = useState('');
  const [to, setTo] = useState('');
  const linesRef = useRef<HTMLDivElement>(null);
  const inputRef = useRef<HTMLTextAreaElement>(null);
  useEffect(() => inputRef.current?.focus(), []);
  useEffect(() => {
    const lines = linesRef.current;
    lines?.scrollTo({ top: lines.scrollHeight });
  }, [state.chat.length]);

  const send = (): void => {
    const trimmed = text.trim();
    if (trimmed === '') return;
    const isThere = state.peers.some(({ id }) => id === to);
    session.sendChat(trimmed, isThere ? to : null);
    setText('');
    if (to !== '' && !isThere) setTo('');
  };
  const isGone = to !== '' && !state.peers.some(({ id }) => id === to);

  return (
    <div class="chat">
      <div
        ref={linesRef}
        class="chat-lines"
        role="log"
        aria-live="polite"
        aria-label="Messages"
        tabIndex={0}
      >
        {state.chat.length === 0 && (
          <p class="empty">Nobody has written anything yet. Telephones do not get messages.</p>
        )}
        {state.chat.map((line, index) => (
          <Line key={line.id} line={line} isSame={isSameSpeaker(state.chat[index - 1], line)} />
        ))}
      </div>
      <form
        class="chat-form"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <label class="chat-to">
          To
          <select
            class="input small"
            value={isGone ? '' : to}
            onChange={(event) => setTo(event.currentTarget.value)}
          >
            <option value="">Everybody</option>
            {state.peers.map(({ id, displayName }) => (
              <option key={id} value={id} dir="auto">
                {displayName}
              </option>
            ))}
          </select>
        </label>
        <div class="row">
          <textarea
            ref={inputRef}
            class="input"
            rows={2}
            value={text}
            maxLength={CHAT_CHARS_MAX}
            aria-label="Message"
            dir="auto"
            placeholder="Write a message"
            onInput={(event) => setText(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
              event.preventDefault();
              send();
            }}
          />
          <button type="submit" class="round send" aria-label="Send" disabled={text.trim() === ''}>
            <Icon name="send" />
          </button>
        </div>
      </form>
    </div>
  );
}

function Line({ line, isSame }: { line: ChatLine; isSame: boolean }) {
  const { from, name, text, at, privateWith, state } = line;
  const isOwn = from === '';
  return (
    <div class="line" data-own={isOwn} data-private={privateWith !== null}>
      {!isSame && (
        <p class="line-head">
          <strong>
            <bdi>{name}</bdi>
            {isOwn && privateWith !== null && (
              <>
                {' to '}
                <bdi>{privateWith}</bdi>
              </>
            )}
          </strong>
          {privateWith !== null && <span class="tag">private</span>}
          <time dateTime={at.toISOString()}>{TIME.format(at)}</time>
        </p>
      )}
      <p class="line-text" dir="auto">
        {text}
      </p>
      {state === 'failed' && <p class="field-fault">This was not delivered.</p>}
    </div>
  );
}

function isSameSpeaker(before: ChatLine | undefined, line: ChatLine): boolean {
  if (!before || before.from !== line.from || before.privateWith !== line.privateWith) return false;
  return line.at.getTime() - before.at.getTime() < 120_000;
}
