/** Why joining failed, as a code for programs and a text for people. */

export type JoinErrorCode =
  | 'name-missing'
  | 'name-refused'
  | 'room-not-found'
  | 'room-full'
  | 'room-closed'
  | 'not-allowed'
  | 'too-many-requests'
  | 'server-restarting'
  | 'server-unreachable'
  | 'server-error'
  | 'microphone-refused'
  | 'microphone-missing'
  | 'microphone-busy'
  | 'browser-too-old';

export class JoinError extends Error {
  readonly code: JoinErrorCode;
  /** The server's own words; empty when it gave none. */
  readonly detail: string;
  /** How long the server wants us to wait, in milliseconds; 0 when it does not say. */
  readonly retryAfterMs: number;

  constructor(code: JoinErrorCode, message: string, detail = '', retryAfterMs = 0) {
    super(message);
    this.name = 'JoinError';
    this.code = code;
    this.detail = detail;
    this.retryAfterMs = retryAfterMs;
  }

  /** Another attempt in a moment may succeed, with nothing changed on this side. */
  get isPassing(): boolean {
    return PASSING.has(this.code);
  }
}

const PASSING: ReadonlySet<JoinErrorCode> = new Set<JoinErrorCode>([
  'too-many-requests',
  'server-restarting',
  'server-unreachable',
  'server-error',
]);

/** What an HTTP answer that is no success says, by its status and the code in its body. */
export function codeOfAnswer(status: number, problem: string): JoinErrorCode {
  if (problem === 'invalid-room') return 'room-not-found';
  if (status === 503 && problem !== 'too-many-guests') return 'server-restarting';
  switch (status) {
    case 400:
    case 422:
      return 'name-refused';
    case 401:
    case 403:
    case 423:
      return 'not-allowed';
    case 404:
      return 'room-not-found';
    case 409:
      return 'room-full';
    case 410:
      return 'room-closed';
    case 429:
      return 'too-many-requests';
    default:
      return 'server-error';
  }
}

/** The code for what `getUserMedia` threw. */
export function codeOfMicrophoneFault(fault: unknown): JoinErrorCode {
  const name = fault instanceof Error ? fault.name : '';
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'microphone-refused';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'microphone-missing';
    default:
      return 'microphone-busy';
  }
}
