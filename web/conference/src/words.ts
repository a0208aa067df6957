/** What went wrong, in words for the person in front of the page. */

import { JoinError, type EndReason, type JoinErrorCode } from '@talkpath/web';

export interface Words {
  title: string;
  text: string;
}

/** While the server restarts. */
export const RESTARTING: Words = {
  title: 'The server restarts',
  text: 'You will be in the conference in a moment.',
};

const JOIN: Readonly<Record<JoinErrorCode, Words>> = {
  'name-missing': { title: 'Your name is missing', text: 'Type a name that the others will see.' },
  'name-refused': {
    title: 'This name cannot be used',
    text: 'Try a shorter name, without unusual characters.',
  },
  'room-not-found': {
    title: 'There is no such conference',
    text: 'Check the link or the number that you were given.',
  },
  'room-full': {
    title: 'The conference is full',
    text: 'Somebody has to leave before you can join. Try again in a moment.',
  },
  'room-closed': { title: 'The conference is over', text: 'It has been closed by its host.' },
  'not-allowed': {
    title: 'You are not let in',
    text: 'The conference is locked, or your invitation is no longer valid.',
  },
  'too-many-requests': {
    title: 'Too many attempts',
    text: 'Wait a minute, and then try again.',
  },
  'server-restarting': {
    title: 'The server restarts',
    text: 'It takes longer than it should. Try again in a minute.',
  },
  'server-unreachable': {
    title: 'The server does not answer',
    text: 'Check your connection to the internet, and then try again.',
  },
  'server-error': {
    title: 'The server has a problem',
    text: 'It is not your fault. Try again in a minute.',
  },
  'microphone-refused': {
    title: 'The microphone is blocked',
    text: 'Allow it in the address bar of your browser. You can also join and only listen.',
  },
  'microphone-missing': {
    title: 'No microphone was found',
    text: 'Plug one in and choose it below. You can also join and only listen.',
  },
  'microphone-busy': {
    title: 'The microphone cannot be opened',
    text: 'Another program may be using it. You can also join and only listen.',
  },
  'browser-too-old': {
    title: 'This browser cannot make calls here',
    text: 'Open the link over https in a current Chrome, Firefox, Edge or Safari.',
  },
};

const ENDED: Readonly<Record<EndReason, Words>> = {
  left: { title: 'You have left', text: 'The conference goes on without you.' },
  ended: { title: 'The conference has ended', text: 'It was closed, or you were removed from it.' },
  replaced: {
    title: 'You joined in another tab',
    text: 'This one was disconnected, because you can be in a conference only once.',
  },
  full: {
    title: 'The conference is full',
    text: 'Somebody has to leave before you can join. Try again in a moment.',
  },
  refused: { title: 'The server did not let you in', text: 'Your invitation may have expired.' },
  unreachable: {
    title: 'The server is gone',
    text: 'It could not be reached for too long. Check your connection, and then try again.',
  },
};

/** Words for what `join` threw. */
export function wordsOfFault(fault: unknown): Words {
  if (fault instanceof JoinError) return JOIN[fault.code];
  return { title: 'Something went wrong', text: 'Reload the page, and then try again.' };
}

export function wordsOfJoinCode(code: JoinErrorCode): Words {
  return JOIN[code];
}

const SAYS_IT_ALL: ReadonlySet<EndReason> = new Set(['left', 'replaced', 'full']);

/** Words for how the conference ended; the server's own reason is added when there is one. */
export function wordsOfEnd(reason: EndReason, text: string): Words {
  const words = ENDED[reason];
  const isSpecific = text !== '' && !SAYS_IT_ALL.has(reason);
  return isSpecific ? { title: words.title, text: `${words.text} (${text})` } : words;
}

/**
 * Words for a camera or a screen that did not start; null when the user just said no to sharing.
 */
export function wordsOfDevice(
  device: 'camera' | 'screen' | 'microphone',
  fault: unknown,
): string | null {
  const name = fault instanceof Error ? fault.name : '';
  if (device === 'screen') {
    return name === 'NotAllowedError' ? null : 'The screen cannot be shared from this device.';
  }
  if (name === 'NotAllowedError') return `The ${device} is blocked. Allow it in the address bar.`;
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return `No ${device} was found.`;
  return `The ${device} cannot be opened. Another program may be using it.`;
}
