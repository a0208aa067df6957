/** The one HTTP request of the SDK: become a guest of a room. */

import { JoinError, codeOfAnswer } from './errors.js';

/** What the server says to a guest whom it lets in. */
export interface Admission {
  username: string;
  displayName: string;
  token: string;
  websocketUrl: string;
  domain: string;
  iceServers: RTCIceServer[];
  room: string;
  /** Milliseconds since 1970; the token is refused after that. */
  expiresAt: number;
  /** Number that telephones dial to join; empty when there is none. */
  phoneNumber: string;
}

const TIMEOUT_MS = 15_000;
/** A server that restarts is waited for this long. */
const RESTART_MS = 120_000;
const RETRY_MS = { least: 1_000, most: 5_000 };

export interface Ask {
  baseUrl: string;
  room: string;
  displayName: string;
  /** The token of an earlier admission to the room, also one that has expired: to stay who we are. */
  token?: string;
  signal?: AbortSignal;
}

/** Asks to join a room as a guest. Throws `JoinError`, or what `signal` was aborted with. */
export async function requestAdmission(
  { baseUrl, room, displayName, token, signal }: Ask,
  fetcher: typeof fetch = fetch,
): Promise<Admission> {
  const url = new URL(`/api/v1/rooms/${encodeURIComponent(room)}/join`, baseUrl);
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  let body: unknown;
  try {
    response = await fetcher(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: displayName, token }),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    body = await response.json().catch(() => null);
  } catch {
    signal?.throwIfAborted();
    throw new JoinError('server-unreachable', 'The server does not answer.');
  }
  if (!response.ok) throw refusal(response, body);
  const admission = parseAdmission(body);
  if (admission === null) {
    throw new JoinError('server-error', 'The server gave an answer that makes no sense.');
  }
  return { ...admission, expiresAt: onOurClock(admission.expiresAt, response) };
}

/**
 * Asks as `requestAdmission` does, and waits while the server says that it restarts, and then while
 * it is away.
 */
export async function requestAdmissionPatiently(
  ask: Ask,
  onWaiting: () => void,
  request: typeof requestAdmission = requestAdmission,
): Promise<Admission> {
  let hasRestarted = false;
  for (const giveUpAt = performance.now() + RESTART_MS; ; ) {
    try {
      return await request(ask);
    } catch (fault) {
      const code = fault instanceof JoinError ? fault.code : null;
      const isRestart = code === 'server-restarting';
      const isAway = hasRestarted && (code === 'server-unreachable' || code === 'server-error');
      if (!(isRestart || isAway) || performance.now() > giveUpAt) throw fault;
      hasRestarted = true;
      onWaiting();
      const asked = fault instanceof JoinError ? fault.retryAfterMs : 0;
      await pause(Math.min(RETRY_MS.most, Math.max(RETRY_MS.least, asked)), ask.signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw signal.reason;
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}

function refusal(response: Response, body: unknown): JoinError {
  const detail = textOfProblem(body);
  const problem = (body as { error?: { code?: unknown } } | null)?.error?.code;
  const code = codeOfAnswer(response.status, typeof problem === 'string' ? problem : '');
  const retryAfterMs = 1000 * (Number(response.headers.get('Retry-After')) || 0);
  const message = detail || `The server answered ${response.status}.`;
  return new JoinError(code, message, detail, retryAfterMs);
}

/** The same instant by the clock of this machine, which may be wrong. */
function onOurClock(expiresAt: number, response: Response): number {
  const serverNow = Date.parse(response.headers.get('Date') ?? '');
  return Number.isFinite(serverNow) ? expiresAt - serverNow + Date.now() : expiresAt;
}

/** An admission out of JSON of unknown shape; null when something is missing. */
export function parseAdmission(body: unknown): Admission | null {
  if (typeof body !== 'object' || body === null) return null;
  const field = body as Record<string, unknown>;
  const text = (name: string): string => {
    const value = field[name];
    return typeof value === 'string' ? value : '';
  };
  const expiresAt = instantOf(field.expiresAt);
  const admission: Admission = {
    username: text('username'),
    displayName: text('displayName'),
    token: text('token'),
    websocketUrl: text('websocketUrl'),
    domain: text('domain'),
    iceServers: iceServersOf(field.iceServers),
    room: text('room'),
    expiresAt,
    phoneNumber: text('phoneNumber'),
  };
  const { username, token, websocketUrl, domain } = admission;
  if (!username || !token || !domain || !/^wss?:\/\//.test(websocketUrl)) return null;
  return Number.isFinite(expiresAt) ? admission : null;
}

/** Seconds or milliseconds since 1970, or an ISO date, as milliseconds; NaN for anything else. */
function instantOf(value: unknown): number {
  if (typeof value === 'string') return Date.parse(value);
  if (typeof value !== 'number') return Number.NaN;
  return value < 1e11 ? value * 1000 : value;
}

function iceServersOf(value: unknown): RTCIceServer[] {
  if (!Array.isArray(value)) return [];
  return value.filter((one: unknown): one is RTCIceServer => {
    const urls = (one as RTCIceServer | null)?.urls;
    return typeof urls === 'string' || (Array.isArray(urls) && urls.length > 0);
  });
}

function textOfProblem(body: unknown): string {
  if (typeof body !== 'object' || body === null) return '';
  const field = body as Record<string, unknown>;
  for (const value of [field.message, field.detail, field.text, field.error]) {
    if (typeof value === 'string') return value;
    if (typeof value === 'object' && value !== null) return textOfProblem(value);
  }
  return '';
}
