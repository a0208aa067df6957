/** The plain page on JsSIP, with the library's own defaults. */

import { UA, WebSocketInterface } from 'jssip';
import {
  type PlainCall,
  type PlainClient,
  type PlainHooks,
  startPage,
  type Account,
} from './plain.js';

// The library's own types leave out much of what its events carry.
type Loose = any;

function client(account: Account, hooks: PlainHooks): PlainClient {
  const ua = new UA({
    sockets: [new WebSocketInterface(account.server)],
    uri: `sip:${account.user}@${account.domain}`,
    display_name: account.name,
    ...(account.password ? { password: account.password } : {}),
  });

  const watch = (session: Loose, peer: string): void => {
    const call: PlainCall = {
      peer,
      hangUp: () => session.terminate(),
      send: (json) => session.sendInfo('application/json', json),
    };
    const tracks = (connection: RTCPeerConnection): void => {
      connection.addEventListener('track', ({ track }) => hooks.track(call, track));
    };
    if (session.connection) tracks(session.connection);
    session.on('peerconnection', (e: Loose) => tracks(e.peerconnection));
    session.on('progress', (e: Loose) => hooks.state(call, e.response?.body ? 'early' : 'ringing'));
    session.on('confirmed', () => hooks.state(call, 'up'));
    session.on('sdp', (e: Loose) => hooks.sdp(call, e.originator, e.sdp));
    const over = (e: Loose): void => {
      hooks.state(call, 'over', `${e.message?.status_code ?? ''} ${e.cause}`);
    };
    session.on('ended', over);
    session.on('failed', over);
    session.on('newInfo', (e: Loose) => {
      if (e.originator === 'remote') hooks.message(call, e.info.body);
    });
  };

  ua.on('newRTCSession', (e: Loose) => {
    if (e.originator !== 'remote') return;
    watch(e.session, e.request.from.uri.user);
    const called = hooks.called();
    if (called === 'accept') {
      e.session.answer({ mediaConstraints: { audio: true, video: true } });
    } else if (called !== 'ring') e.session.terminate({ status_code: called });
  });

  return {
    connect: () =>
      new Promise((resolve, reject) => {
        ua.on('registered', () => resolve());
        ua.on('registrationFailed', (e: Loose) => reject(new Error(String(e.cause))));
        ua.start();
      }),
    call: (user, extraHeaders, video) => {
      const options = { extraHeaders, mediaConstraints: { audio: true, video } };
      watch(ua.call(`sip:${user}@${account.domain}`, options), user);
    },
  };
}

startPage(client);
