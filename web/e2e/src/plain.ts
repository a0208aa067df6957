/**
 * What the two plain pages share: a form, a log, and how they play sound. The pages use a SIP
 * library directly and none of our SDK, to prove that any client can join.
 *
 * Parameters of the URL fill the form: `server` (ws://host:port/sip), `domain`, `user`, `password`,
 * `token`, `room`, `name`, `called`. A token goes into the WebSocket URL, a password is used for
 * digest. `called` is what a call to this page gets: `accept`, `ring`, or the code of a refusal.
 */

export interface Account {
  server: string;
  domain: string;
  user: string;
  password: string;
  token: string;
  name: string;
}

/** One call of a library, as the pages see it. */
export interface PlainCall {
  peer: string;
  hangUp: () => void;
  send: (json: string) => void;
}

export interface PlainHooks {
  log: (text: string) => void;
  /** What a call that comes in gets. */
  called: () => 'accept' | 'ring' | number;
  /** A call is set up, or changed its state. */
  state: (call: PlainCall, state: 'ringing' | 'early' | 'up' | 'over', detail?: string) => void;
  message: (call: PlainCall, json: string) => void;
  track: (call: PlainCall, track: MediaStreamTrack) => void;
  sdp: (call: PlainCall, side: 'local' | 'remote', sdp: string) => void;
}

export interface PlainClient {
  connect: () => Promise<void>;
  call: (user: string, headers: string[], video: boolean) => void;
}

export type PlainLibrary = (account: Account, hooks: PlainHooks) => PlainClient;

/** What tests read: `window.plain`. */
export interface PlainState {
  registered: boolean;
  calls: Record<string, { state: string; detail: string; local: string; remote: string }>;
  messages: { peer: string; json: string }[];
}

declare global {
  interface Window {
    plain: PlainState;
  }
}

const state: PlainState = { registered: false, calls: {}, messages: [] };
const calls = new Map<string, PlainCall>();

/** Wires the form to a library. */
export function startPage(library: PlainLibrary): void {
  window.plain = state;
  const parameters = new URLSearchParams(location.search);
  for (const field of document.querySelectorAll('input')) {
    field.value = parameters.get(field.name) ?? field.value;
  }
  let client: PlainClient | null = null;

  on('login', async () => {
    client = library(readAccount(), hooks);
    await client.connect();
    state.registered = true;
    log('registered');
  });
  on('join', () => client?.call('joinconf', [`X-Conference-Id: ${value('room')}`], false));
  on('call', () => {
    delete state.calls[value('peer')];
    client?.call(value('peer'), ['X-DirectCall: true', `X-DisplayName: ${value('name')}`], true);
  });
  on('send', () => {
    for (const call of calls.values()) call.send(value('message'));
  });
  on('hangup', () => {
    for (const call of calls.values()) call.hangUp();
  });
}

const hooks: PlainHooks = {
  log,
  called() {
    const wanted = value('called');
    return wanted === 'ring' || wanted === 'accept' ? wanted : Number(wanted);
  },
  state(call, name, detail = '') {
    log(`${call.peer}: ${name} ${detail}`);
    const known = state.calls[call.peer] ?? { state: '', detail: '', local: '', remote: '' };
    // SIP.js tells that a call is over, and the code of the refusal by itself.
    const kept = name === 'over' && known.state === 'over' ? detail || known.detail : detail;
    state.calls[call.peer] = { ...known, state: name, detail: kept };
    if (name === 'over') calls.delete(call.peer);
    else calls.set(call.peer, call);
  },
  message(call, json) {
    log(`${call.peer} says ${json}`);
    state.messages.push({ peer: call.peer, json });
  },
  track(call, track) {
    log(`${call.peer}: ${track.kind}`);
    const element = document.createElement(track.kind === 'video' ? 'video' : 'audio');
    element.autoplay = true;
    element.srcObject = new MediaStream([track]);
    element.dataset.peer = call.peer;
    document.querySelector('#media')?.append(element);
  },
  sdp(call, side, sdp) {
    const known = state.calls[call.peer] ?? { state: '', detail: '', local: '', remote: '' };
    state.calls[call.peer] = { ...known, [side]: sdp };
  },
};

function readAccount(): Account {
  const token = value('token');
  const server = new URL(value('server'));
  if (token) server.searchParams.set('token', token);
  const [domain, user, password, name] = ['domain', 'user', 'password', 'name'].map(value);
  return {
    server: server.href,
    domain: domain ?? '',
    user: user ?? '',
    password: password ?? '',
    token,
    name: name ?? '',
  };
}

function value(name: string): string {
  return document.querySelector<HTMLInputElement>(`input[name="${name}"]`)?.value ?? '';
}

function on(id: string, act: () => unknown): void {
  document.querySelector(`#${id}`)?.addEventListener('click', () => {
    Promise.resolve()
      .then(act)
      .catch((fault: unknown) => log(`failed: ${String(fault)}`));
  });
}

function log(text: string): void {
  const line = document.createElement('li');
  line.textContent = text;
  document.querySelector('#log')?.append(line);
}
