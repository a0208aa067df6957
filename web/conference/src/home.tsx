/** The start page: a new conference, or one whose number is known. */

import { useState } from 'preact/hooks';
import { Icon, Mark } from './icons.js';
import { newRoom, roomOfInput } from './room.js';
import type { Words } from './words.js';

interface Props {
  onRoom: (room: string) => void;
  problem: Words | null;
}

export function Home({ onRoom, problem }: Props) {
  const [text, setText] = useState('');
  const [isWrong, setWrong] = useState(false);

  const submit = (event: Event): void => {
    event.preventDefault();
    const room = roomOfInput(text);
    setWrong(room === '');
    if (room !== '') onRoom(room);
  };

  return (
    <div class="home">
      <header class="brand">
        <Mark />
        <span>talkpath</span>
      </header>
      <main>
        {problem && (
          <div class="problem" role="alert">
            <Icon name="alert" />
            <div>
              <strong>{problem.title}</strong>
              <p>{problem.text}</p>
            </div>
          </div>
        )}
        <h1>Talk together, from browsers and telephones</h1>
        <p class="lead">
          Start a conference and hand on its link or its number. Nobody needs an account, and nobody
          needs to install anything.
        </p>
        <button class="button primary large" type="button" onClick={() => onRoom(newRoom())}>
          Start a conference
        </button>
        <form class="join-form" onSubmit={submit} noValidate>
          <label for="room">Or join one by its number or link</label>
          <div class="row">
            <input
              id="room"
              class="input"
              value={text}
              onInput={(event) => setText(event.currentTarget.value)}
              placeholder="123 456 789"
              autocomplete="off"
              aria-invalid={isWrong}
              aria-describedby={isWrong ? 'room-wrong' : undefined}
            />
            <button class="button" type="submit">
              Join
            </button>
          </div>
          {isWrong && (
            <p class="field-fault" id="room-wrong" role="alert">
              A conference number has at least three digits.
            </p>
          )}
        </form>
      </main>
    </div>
  );
}
