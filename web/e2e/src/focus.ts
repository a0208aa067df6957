/**
 * A stand-in for the conference, for work on the page without the engine: answers calls to
 * `joinconf`, plays a tone as the telephones' sound, sends rosters, passes messages on. One room
 * for all.
 */

import { UA, WebSocketInterface } from 'jssip';

// The library's own types leave out what its events carry
type Loose = any;

interface Member {
  session: Loose;
  id: string;
  displayName: string;
}

let members: Member[] = [];
let phones: string[] = [];
/** What was said about direct connections. */
const reports: { type: string; caller: string; callee: string }[] = [];
const context = new AudioContext();

const ua = new UA({
  sockets: [new WebSocketInterface(`ws://${location.host}/sip`)],
  uri: 'sip:joinconf@talkpath.test',
  connection_recovery_max_interval: 2,
});
ua.on('newRTCSession', (e: Loose) => {
  if (e.originator !== 'remote') return;
  const id = e.request.from.uri.user as string;
  const member = { session: e.session, id, displayName: e.request.from.display_name ?? id };
  e.session.on('confirmed', () => {
    const old = members.find((one) => one.id === id);
    members = [...members.filter((one) => one !== old), member];
    old?.session.terminate();
    roster();
  });
  const over = (): void => {
    const before = members.length;
    members = members.filter((one) => one !== member);
    if (members.length !== before) roster();
  };
  e.session.on('ended', over);
  e.session.on('failed', over);
  e.session.on('newInfo', (info: Loose) => {
    if (info.originator === 'remote') receive(member, info.info.body);
  });
  e.session.answer({ mediaStream: tone(), mediaConstraints: { audio: true, video: false } });
});
ua.start();

function receive(from: Member, json: string): void {
  const message = JSON.parse(json);
  if (message.type.startsWith('ICE_')) reports.push(message);
  if (message.type === 'ICE_FAILED') {
    const { callee, displayName } = message;
    const to = members.filter((one) => one.id === message.caller);
    send(to, { type: 'ICE_FAILED', callee, displayName });
  } else if (message.type !== 'ICE_CONNECTED') {
    const to = members.filter((one) => one !== from && (!message.to || one.id === message.to));
    send(to, { ...message, from: from.id, displayName: from.displayName });
  }
}

function roster(): void {
  const peers = members.map(({ id, displayName }) => ({ callerid: id, displayName }));
  send(members, { peers, pstnCalls: phones.map((callerid) => ({ callerid })) });
}

function send(to: Member[], message: object): void {
  for (const { session } of to) {
    if (session.isEstablished()) session.sendInfo('application/json', JSON.stringify(message));
  }
}

function tone(): MediaStream {
  const destination = context.createMediaStreamDestination();
  const gain = new GainNode(context, { gain: 0.1 });
  const oscillator = new OscillatorNode(context, { frequency: 440 });
  oscillator.connect(gain).connect(destination);
  oscillator.start();
  return destination.stream;
}

Object.assign(window, {
  focus: {
    members: () => members.map(({ id, displayName }) => ({ id, displayName })),
    reports,
    setPhones: (list: string[]) => {
      phones = list;
      roster();
    },
    say: (message: object) => send(members, message),
    remove: (id: string) => members.find((one) => one.id === id)?.session.terminate(),
  },
});
