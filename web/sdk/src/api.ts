/** The one HTTP request of the SDK: become a guest of a room. */

import { JoinError, codeOfStatus } from './errors.js';

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

/** Asks to join `room` as a guest. Throws `JoinError`. */
export async function requestAdmission(
  baseUrl: string,
  room: string,
  displayName: string,
  fetcher: typeof fetch = fetch,
): Promise<Admission> {
  const url = new URL(`/api/v1/rooms/${encodeURIComponent(room)}/join`, baseUrl);
  let response: Response;
  let body: unknown;
  try {
    response = await fetcher(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: displayName }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    body = await response.json().catch(() => null);
  } catch {
    throw new JoinError('server-unreachable', 'The server does not answer.');
  }
  if (!response.ok) {
    const detail = textOfProblem(body);
    const code = codeOfStatus(response.status);
    throw new JoinError(code, detail || `The server answered ${response.status}.`, detail);
  }
  const admission = parseAdmission(body);
  if (admission === null) {
    throw new JoinError('server-error', 'The server gave an answer that makes no sense.');
  }
  return admission;
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
