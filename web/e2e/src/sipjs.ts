/** The plain page on SIP.js, with the library's own defaults. */

import {
  Inviter,
  type Invitation,
  Registerer,
  type Session,
  SessionState,
  UserAgent,
  Web,
} from 'sip.js';
import {
  type Account,
  type PlainCall,
  type PlainClient,
  type PlainHooks,
  startPage,
} from './plain.js';

function client(account: Account, hooks: PlainHooks): PlainClient {
  const uri = UserAgent.makeURI(`sip:${account.user}@${account.domain}`);
  if (!uri) throw new Error('no such address');

  const watch = (session: Session, peer: string): PlainCall => {
    const call: PlainCall = {
      peer,
      hangUp: () => void hangUp(session),
      send: (content) => {
        const body = { contentDisposition: 'render', contentType: 'application/json', content };
        void session.info({ requestOptions: { body } });
      },
    };
    session.delegate = {
      onInfo: (info) => {
        void info.accept();
        hooks.message(call, info.request.body);
      },
      onSessionDescriptionHandler: (handler) => {
        const connection = (handler as Web.SessionDescriptionHandler).peerConnection;
        connection?.addEventListener('track', ({ track }) => hooks.track(call, track));
      },
    };
    session.stateChange.addListener((state) => {
      if (state === SessionState.Established) {
        const connection = (session.sessionDescriptionHandler as Web.SessionDescriptionHandler)
          .peerConnection;
        hooks.sdp(call, 'local', connection?.localDescription?.sdp ?? '');
        hooks.sdp(call, 'remote', connection?.remoteDescription?.sdp ?? '');
        hooks.state(call, 'up');
      } else if (state === SessionState.Terminated) hooks.state(call, 'over');
    });
    return call;
  };

  const agent = new UserAgent({
    uri,
    displayName: account.name,
    authorizationUsername: account.user,
    authorizationPassword: account.password,
    transportOptions: { server: account.server },
    delegate: {
      onInvite: (invitation: Invitation) => {
        const call = watch(invitation, invitation.remoteIdentity.uri.user ?? '');
        hooks.state(call, 'ringing');
        const called = hooks.called();
        if (called === 'accept') {
          void invitation.accept({
            sessionDescriptionHandlerOptions: { constraints: { audio: true, video: true } },
          });
        } else if (called !== 'ring') void invitation.reject({ statusCode: called });
      },
    },
  });

  return {
    connect: async () => {
      await agent.start();
      const registerer = new Registerer(agent);
      await new Promise<void>((resolve, reject) => {
        const requestDelegate = {
          onAccept: () => resolve(),
          onReject: () => reject(new Error('registration refused')),
        };
        registerer.register({ requestDelegate }).catch(reject);
      });
    },
    call: (user, extraHeaders, video) => {
      const target = UserAgent.makeURI(`sip:${user}@${account.domain}`);
      if (!target) throw new Error('no such address');
      const inviter = new Inviter(agent, target, {
        extraHeaders,
        earlyMedia: true,
        sessionDescriptionHandlerOptions: { constraints: { audio: true, video } },
      });
      const call = watch(inviter, user);
      const requestDelegate = {
        onProgress: ({ message }: { message: { body: string } }) => {
          // It comes late, when the early media have been set up: the call may be up by then.
          if (inviter.state !== SessionState.Establishing) return;
          hooks.state(call, message.body ? 'early' : 'ringing');
        },
        onReject: ({ message }: { message: { statusCode: number | undefined } }) => {
          hooks.state(call, 'over', `${message.statusCode ?? ''}`);
        },
      };
      void inviter.invite({ requestDelegate });
    },
  };
}

async function hangUp(session: Session): Promise<void> {
  if (session.state === SessionState.Established) await session.bye();
  else if (session instanceof Inviter) await session.cancel();
}

startPage(client);
