/** After the conference. */

import type { EndReason } from '@talkpath/web';
import { useEffect, useRef } from 'preact/hooks';
import { Icon, Mark } from './icons.js';
import { wordsOfEnd } from './words.js';

interface Props {
  end: { reason: EndReason; text: string };
  /** To the lobby. */
  again: () => void;
  /** Into the conference at once, as before. */
  back: () => void;
}

export function Ended({ end, again, back }: Props) {
  const isElsewhere = end.reason === 'replaced';
  const { title, text } = wordsOfEnd(end.reason, end.text);
  const ref = useRef<HTMLHeadingElement>(null);
  useEffect(() => ref.current?.focus(), []);
  return (
    <div class="home">
      <header class="brand">
        <Mark />
        <span>talkpath</span>
      </header>
      <main class="ended" data-ended={end.reason}>
        {end.reason !== 'left' && (
          <span class="ended-icon">
            <Icon name="alert" size={30} />
          </span>
        )}
        <h1 ref={ref} tabIndex={-1}>
          {title}
        </h1>
        <p class="lead">{text}</p>
        <div class="row">
          <button type="button" class="button primary" onClick={isElsewhere ? back : again}>
            {isElsewhere ? 'Come back to this tab' : 'Join again'}
          </button>
          <a class="button" href="/">
            To the start page
          </a>
        </div>
      </main>
    </div>
  );
}
